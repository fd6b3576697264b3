/**
 * A Hugging Face model's config.json, with what its class means where it says nothing. Source: transformers' configuration
 * classes (names and defaults).
 */
import { UnsupportedError } from '../../errors.ts'
import { asObject, type Json } from '../../util/json.ts'
import type { CriaWarning } from '../../util/warn.ts'
import type { HfConfig } from './family.ts'
import { architectureOf, CLASSES, familyOf } from './index.ts'
import { readRope, turnedDimensions } from './rope.ts'
import { count, MOST_TOKENS, only, optionalCount, wrong } from './values.ts'

const MOST_LAYERS = 4096
/** Other names of the same. */
const ALIASES: Readonly<Record<string, string>> = {
  num_experts: 'num_local_experts',
  n_routed_experts: 'num_local_experts',
  rope_pct: 'partial_rotary_factor',
  rope_percent: 'partial_rotary_factor',
}

/**
 * @throws UnsupportedError for other architectures, quantized weights, activations, rotary scalings and whatever else GGUF
 *   cannot say; FormatError HF_CONFIG for what is missing or out of range
 */
export function readHfConfig(given: Json, warn: (warning: CriaWarning) => void): HfConfig {
  const architecture = architectureOf(given)
  const family = familyOf(architecture)
  if (!family) {
    const message = `config.json names the architecture ${architecture || 'none'}; cria converts ${CLASSES.join(', ')}.`
    throw new UnsupportedError('HF_ARCHITECTURE', message, architecture)
  }
  const json = { ...family.classes[architecture], ...withUsualNames({ ...given, ...asObject(given.text_config) }) }
  refuseQuantized(json)
  const embeddingLength = count(json, 'hidden_size')
  const headCount = count(json, 'num_attention_heads')
  const stated = optionalCount(json, 'head_dim')
  if (stated === undefined && embeddingLength % headCount !== 0)
    throw wrong('num_attention_heads', 'a divisor of hidden_size', headCount)
  const headDim = stated ?? embeddingLength / headCount
  if (headDim % 2 !== 0) throw wrong('head_dim', 'even', headDim)
  const headCountKv = optionalCount(json, 'num_key_value_heads') ?? headCount
  if (headCount % headCountKv !== 0) throw wrong('num_key_value_heads', 'a divisor of num_attention_heads', headCountKv)
  const contextLength = count(json, 'max_position_embeddings', MOST_TOKENS)
  const hasExperts = 'num_local_experts' in family.classes[architecture]! && json.num_local_experts !== 0
  const config: HfConfig = {
    family,
    architecture,
    json,
    vocabSize: count(json, 'vocab_size'),
    embeddingLength,
    feedForwardLength: count(json, 'intermediate_size'),
    blockCount: count(json, 'num_hidden_layers', MOST_LAYERS),
    headCount,
    headCountKv,
    headDim,
    keyLength: family.headDim === 'never' ? undefined : family.headDim === 'always' ? headDim : stated,
    contextLength,
    expertCount: hasExperts ? count(json, 'num_local_experts') : 0,
    expertUsedCount: hasExperts ? count(json, 'num_experts_per_tok') : 0,
    tied: json.tie_word_embeddings === true,
    rope: readRope(json, family, contextLength, warn),
  }
  refuseOthers(config)
  return config
}

function withUsualNames(json: Json): Json {
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) => {
      const name = ALIASES[key]
      if (name === undefined) return [[key, value]]
      return name in json ? [] : [[name, value]]
    }),
  )
}

function refuseQuantized(json: Json): void {
  const method = asObject(json.quantization_config)
  if (!method) return
  const name = String(method.quant_method ?? 'unknown')
  const message = `The weights are quantized (${name}); convert the model from its F32, F16 or BF16 weights.`
  throw new UnsupportedError('HF_QUANTIZED', message, name)
}

function refuseOthers(config: HfConfig): void {
  const { json, family, expertCount, embeddingLength, headCount } = config
  const { activations = ['silu'] } = family
  const activation = json.hidden_activation ?? json.hidden_act
  if (!activations.includes(String(activation))) {
    const message = `config.json has hidden_act ${String(activation)}; models of GGUF's ${family.name} architecture have ${activations[0]}.`
    throw new UnsupportedError('HF_ACTIVATION', message, activation)
  }
  if (expertCount === 0) only(config, 'num_local_experts', null, 0, 1)
  only(config, 'n_group', null, 1)
  if (family.headDim === 'never') only(config, 'head_dim', null, Math.floor(embeddingLength / headCount))
  const rotated = turnedDimensions(config)
  if (rotated < 2 || rotated % 2 !== 0)
    throw wrong('partial_rotary_factor', 'such that an even number of dimensions is rotated', config.rope.part)
  family.check?.(config)
}
