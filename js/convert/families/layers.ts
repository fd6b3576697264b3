/** The tensors of a layer: GGUF's names, transformers' names and shapes, and what becomes of the rows. */
import type { HfConfig } from './family.ts'
import type { TensorForm, TensorRule } from './tensor-rule.ts'

/** NAME.weight [size], and NAME.bias where there is one. */
export function norm(name: string, source: string, size: number, { bias = false } = {}): TensorRule[] {
  const rule = (kind: string): TensorRule => ({
    name: `${name}.${kind}`,
    dimensions: [size],
    forms: [{ source: `${source}.${kind}`, shape: [size] }],
  })
  return [rule('weight'), ...(bias ? [rule('bias')] : [])]
}

interface LinearOptions {
  /** There are biases; false: there may be; without it there are none. */
  bias?: boolean | undefined
  headRows?: number | undefined
  /** The same rows in another tensor: its name and the number of its rows; `only` there. */
  fused?: { source: string; rows: number; spans: readonly (readonly [number, number])[]; only?: boolean }
}

/** NAME.weight [rows, columns], and NAME.bias [rows]. */
export function linear(
  name: string,
  source: string,
  [rows, columns]: readonly [number, number],
  { bias, headRows, fused }: LinearOptions = {},
): TensorRule[] {
  const rest = headRows === undefined ? {} : { headRows }
  const form = (kind: string, shape: number[]): TensorForm => ({ source: `${source}.${kind}`, shape })
  const other: TensorForm[] = fused
    ? [{ source: `${fused.source}.weight`, shape: [fused.rows, columns], spans: fused.spans }]
    : []
  const own = fused?.only ? [] : [form('weight', [rows, columns])]
  const rules: TensorRule[] = [
    { name: `${name}.weight`, dimensions: [columns, rows], forms: [...own, ...other], ...rest },
  ]
  if (bias === undefined) return rules
  const forms = [form('bias', [rows])]
  return [...rules, { name: `${name}.bias`, dimensions: [rows], forms, ...rest, optional: !bias }]
}

interface AttentionOptions {
  /** Whether queries, keys and values have biases; false: they may have. */
  bias?: boolean
  /** Whether the output has; false: it may have; without it, it has none. */
  outputBias?: boolean
  output?: string
  /** Another tensor that may hold the rows of queries, keys and values, one after the other. */
  fused?: string
}

/** attn_q, attn_k, attn_v and attn_output. */
export function attention(config: HfConfig, options: AttentionOptions = {}): TensorRule[] {
  const { json, embeddingLength, headCount, headCountKv, headDim, family } = config
  const { bias = json.attention_bias === true, outputBias, output = 'self_attn.o_proj', fused } = options
  const [q, kv] = [headCount * headDim, headCountKv * headDim]
  const part = (letter: string, first: number, rows: number): TensorRule[] =>
    linear(`attn_${letter}`, `self_attn.${letter}_proj`, [rows, embeddingLength], {
      bias,
      headRows: family.interleaves && letter !== 'v' ? headDim : undefined,
      ...(fused !== undefined && { fused: { source: fused, rows: q + 2 * kv, spans: [[first, rows]] } }),
    })
  return [
    ...part('q', 0, q),
    ...part('k', q, kv),
    ...part('v', q + kv, kv),
    ...linear('attn_output', output, [embeddingLength, q], { bias: outputBias }),
  ]
}

/** attn_q_norm and attn_k_norm: of each head, or of whole rows. */
export function headNorms(
  { headDim, headCount, headCountKv }: HfConfig,
  { names = 'q_norm k_norm', rows = false } = {},
): TensorRule[] {
  const [q, k] = names.split(' ')
  return [
    ...norm('attn_q_norm', `self_attn.${q}`, rows ? headCount * headDim : headDim),
    ...norm('attn_k_norm', `self_attn.${k}`, rows ? headCountKv * headDim : headDim),
  ]
}

interface FeedForwardOptions {
  /** Whether they have biases; false: they may have; without it they have none. */
  bias?: boolean
  width?: number
  /** After GGUF's names: `_shexp`. */
  suffix?: string
  /** transformers' names of gate, up and down; without the first where there is no gate. */
  names?: readonly [gate: string | undefined, up: string, down: string]
  /** Another tensor that may hold the rows of gate and up, one after the other; `fusedOnly`: that does. */
  fused?: string
  fusedOnly?: boolean
}

const NAMES = ['mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'] as const

/** ffn_gate, ffn_up and ffn_down. */
export function feedForward(config: HfConfig, options: FeedForwardOptions = {}): TensorRule[] {
  const { embeddingLength, feedForwardLength } = config
  const { bias, width = feedForwardLength, suffix = '', fused, fusedOnly = false } = options
  const [gate, up, down] = options.names ?? NAMES
  const half = (name: string, source: string, first: number): TensorRule[] =>
    linear(`${name}${suffix}`, source, [width, embeddingLength], {
      bias,
      ...(fused !== undefined && {
        fused: { source: fused, rows: 2 * width, spans: [[first, width]], only: fusedOnly },
      }),
    })
  return [
    ...(gate === undefined ? [] : half('ffn_gate', gate, 0)),
    ...half('ffn_up', up, width),
    ...linear(`ffn_down${suffix}`, down, [embeddingLength, width], { bias }),
  ]
}

/** ffn_up with the gate's rows first, and ffn_down. */
export function fusedFeedForward({ embeddingLength, feedForwardLength }: HfConfig): TensorRule[] {
  return [
    ...linear('ffn_up', 'mlp.gate_up_proj', [2 * feedForwardLength, embeddingLength]),
    ...linear('ffn_down', 'mlp.down_proj', [embeddingLength, feedForwardLength]),
  ]
}

interface ExpertsOptions {
  width?: number
  router?: string
  /** Names of an expert's gate, up and down. */
  names?: readonly [gate: string, up: string, down: string]
  /** Names of tensors that hold those of all experts, gate and up in one. */
  fused: readonly [gateUp: string, down: string]
}

/** ffn_gate_inp, and ffn_gate_exps, ffn_up_exps and ffn_down_exps of `width` rows between them. */
export function experts(config: HfConfig, options: ExpertsOptions): TensorRule[] {
  const { embeddingLength: columns, feedForwardLength, expertCount } = config
  const { width = feedForwardLength, router = 'mlp.gate', names, fused } = options
  const rule = (
    part: string,
    shape: readonly [number, number],
    name: string | undefined,
    all: TensorForm,
  ): TensorRule => ({
    name: `ffn_${part}_exps.weight`,
    dimensions: [shape[1], shape[0], expertCount],
    forms: [...(name === undefined ? [] : [{ source: name, shape, stack: expertCount }]), all],
  })
  const half = (first: number): TensorForm => ({
    source: fused[0],
    shape: [expertCount, 2 * width, columns],
    spans: Array.from({ length: expertCount }, (_, expert) => [expert * 2 * width + first, width] as const),
  })
  return [
    ...linear('ffn_gate_inp', router, [expertCount, columns]),
    rule('gate', [width, columns], names?.[0], half(0)),
    rule('up', [width, columns], names?.[1], half(width)),
    rule('down', [columns, width], names?.[2], { source: fused[1], shape: [expertCount, columns, width] }),
  ]
}

/** A llama's layer; `feed` in the place of its feed-forward network. */
export function llamaLayer(
  config: HfConfig,
  feed: readonly TensorRule[] = feedForward(config),
  options: AttentionOptions = {},
): TensorRule[] {
  const { embeddingLength } = config
  return [
    ...norm('attn_norm', 'input_layernorm', embeddingLength),
    ...attention(config, options),
    ...norm('ffn_norm', 'post_attention_layernorm', embeddingLength),
    ...feed,
  ]
}
