/**
 * How heads are rotated, as config.json has it and as GGUF says it. Sources: transformers' modeling_rope_utils; llama.cpp's
 * converter (keys, their order, and the factors of Llama 3's scaling).
 */
import { UnsupportedError } from '../../errors.ts'
import { asObject, type Json } from '../../util/json.ts'
import { log, pow } from '../../util/math.ts'
import type { CriaWarning } from '../../util/warn.ts'
import { type Family, float32, type HfConfig, type Key, type RopeSettings, text, uint32 } from './family.ts'
import { count, MOST_TOKENS, positive, positives, wrong } from './values.ts'

const NO_SCALING = ['default', 'none']

/**
 * transformers 5 has all of it in rope_parameters, of full and of windowed layers apart where they differ; earlier versions in
 * rope_scaling and beside it.
 *
 * @throws UnsupportedError HF_ROPE for what GGUF cannot say; FormatError HF_CONFIG
 */
export function readRope(
  json: Json,
  family: Family,
  context: number,
  warn: (warning: CriaWarning) => void,
): RopeSettings {
  const given = asObject(json.rope_parameters) ?? asObject(json.rope_scaling) ?? {}
  const full = asObject(given.full_attention)
  const sliding = asObject(given.sliding_attention)
  const { original_max_position_embeddings: own, ...rest } = full ?? (sliding ? {} : given)
  const trained = json.original_max_position_embeddings ?? own ?? context
  const parameters: Json = { ...rest, original_max_position_embeddings: trained }
  const base = positive(parameters, 'rope_theta', positive(json, 'rope_theta', 10000))
  const local = sliding?.rope_theta ?? json.rope_local_base_freq ?? (family.windowsShareBase ? base : undefined)
  const part = positive(parameters, 'partial_rotary_factor', positive(json, 'partial_rotary_factor', 1))
  if (part !== 1 && !family.turnsPart) {
    const message = `config.json rotates only a part of each head (partial_rotary_factor ${part}), which GGUF's ${family.name} does not.`
    throw new UnsupportedError('HF_ROPE', message, part)
  }
  if (part > 1) throw wrong('partial_rotary_factor', 'at most 1', part)
  if (sliding && kindOf(sliding) !== undefined) throw unsupported(family, `${kindOf(sliding)} of windowed layers`)
  if (parameters.mrope_section) throw unsupported(family, 'mrope_section')
  return {
    base,
    baseSwa: local === undefined ? undefined : positive({ rope_local_base_freq: local }, 'rope_local_base_freq'),
    scaling: readScaling(parameters, family, warn),
    parameters,
    originalContext: count(parameters, 'original_max_position_embeddings', MOST_TOKENS),
    part,
  }
}

function kindOf({ rope_type, type, long_factor }: Json): string | undefined {
  const kind = rope_type ?? type
  const name = typeof kind === 'string' ? kind.toLowerCase() : 'default'
  // Phi-3's first configurations call LongRoPE so.
  if (name === 'su' || (name === 'yarn' && long_factor)) return 'longrope'
  return NO_SCALING.includes(name) ? undefined : name
}

function readScaling(parameters: Json, family: Family, warn: (warning: CriaWarning) => void): string | undefined {
  const kind = kindOf(parameters)
  if (kind === undefined || scalingsOf(family).includes(kind)) return kind
  if (kind !== 'dynamic') throw unsupported(family, kind)
  const message = `The rotary scaling 'dynamic' is left out, as GGUF has none: beyond the context that the model was trained for it will do worse.`
  warn({ code: 'ROPE_DYNAMIC', message })
  return undefined
}

function scalingsOf({ scalings = [] }: Family): string[] {
  return ['linear', 'yarn', ...scalings]
}

function unsupported(family: Family, kind: string): UnsupportedError {
  const message = `The rotary scaling ${kind} is not supported for GGUF's ${family.name}; cria converts ${scalingsOf(family).join(', ')}.`
  return new UnsupportedError('HF_ROPE', message, kind)
}

/** `rope.scaling.…` */
export function scalingKeys({ rope: { scaling, parameters, originalContext } }: HfConfig): Key[] {
  if (scaling === 'longrope') return [text('rope.scaling.type', scaling)]
  if (scaling !== 'linear' && scaling !== 'yarn') return []
  const factor = positive(parameters, 'factor')
  const keys = [text('rope.scaling.type', scaling), float32('rope.scaling.factor', factor)]
  if (scaling === 'linear') return keys
  if (parameters.truncate === false) {
    throw new UnsupportedError(
      'HF_ROPE',
      'config.json has YaRN without truncation (truncate), which GGUF lacks.',
      false,
    )
  }
  keys.push(uint32('rope.scaling.original_context_length', originalContext))
  const given = (name: string, key: string) => {
    if (typeof parameters[key] === 'number') keys.push(float32(`rope.scaling.yarn_${name}`, parameters[key]))
  }
  given('ext_factor', 'extrapolation_factor')
  given('attn_factor', parameters.attention_factor === undefined ? 'attn_factor' : 'attention_factor')
  given('beta_fast', 'beta_fast')
  given('beta_slow', 'beta_slow')
  // Readers multiply by YaRN's usual factor in any case; yarn_attn_factor they pass over.
  const ratio = attentionFactor(parameters, factor) / magnitude(factor, 1)
  if (Math.abs(ratio - 1) > 1e-6) keys.push(float32('rope.scaling.attn_factor', ratio))
  return keys
}

/** By what YaRN multiplies cosines and sines. Peng et al. 2023. */
function magnitude(factor: number, scale: number): number {
  return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
}

function attentionFactor(parameters: Json, factor: number): number {
  const { attention_factor: given, mscale, mscale_all_dim: all } = parameters
  if (typeof given === 'number') return positive(parameters, 'attention_factor')
  if (!mscale || !all) return magnitude(factor, 1)
  return magnitude(factor, positive(parameters, 'mscale')) / magnitude(factor, positive(parameters, 'mscale_all_dim'))
}

/** By what LongRoPE multiplies cosines and sines. Ding et al. 2024. */
export function longRopeFactor({ contextLength, rope: { parameters, originalContext } }: HfConfig): number {
  if (typeof parameters.attention_factor === 'number') return positive(parameters, 'attention_factor')
  const scale = contextLength / originalContext
  return scale > 1 ? Math.sqrt(1 + log(scale) / log(originalContext)) : 1
}

/** Dimensions of a head that are rotated. */
export function turnedDimensions({ headDim, rope: { part } }: HfConfig): number {
  return Math.floor(headDim * part)
}

/** Tensors of factors by which frequencies are divided, in the order of the file. */
export function factorTensors(config: HfConfig): [name: string, factors: Float32Array][] {
  const { rope, headDim } = config
  if (rope.scaling === 'llama3') return [['rope_freqs.weight', llama3Factors(rope, headDim)]]
  if (rope.scaling !== 'longrope') return []
  const pairs = turnedDimensions(config) / 2
  return (['long', 'short'] as const).map((kind) => {
    const factors = positives(rope.parameters, `${kind}_factor`, pairs)
    return [`rope_factors_${kind}.weight`, Float32Array.from(factors)]
  })
}

const fround = (value: number): number => Math.fround(value)
/** 2π as f32. */
const TURN = 6.2831854820251465

/** [headDim / 2]. Computed in f32, in PyTorch's order, to give the bits of llama.cpp's converter. */
function llama3Factors({ base, parameters, originalContext }: RopeSettings, headDim: number): Float32Array {
  const factor = positive(parameters, 'factor')
  const low = positive(parameters, 'low_freq_factor', 1)
  const high = positive(parameters, 'high_freq_factor', 4)
  if (high <= low) throw wrong('high_freq_factor', 'above low_freq_factor', high)
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = fround(1 / fround(pow(base, fround((2 * i) / headDim))))
    const wavelength = fround(fround(1 / frequency) * TURN)
    if (wavelength < originalContext / high) return 1
    if (wavelength > originalContext / low) return factor
    const turns = fround(fround(1 / wavelength) * fround(originalContext))
    const smooth = fround(fround(turns - fround(low)) / fround(high - low))
    return fround(1 / fround(fround(fround(1 - smooth) / fround(factor)) + smooth))
  })
}
