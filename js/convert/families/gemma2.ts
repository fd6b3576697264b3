/** Gemma 2: norms after each block too, capped scores and logits, every second layer windowed. */
import { bools, type Family, float32, type HfConfig, type Key, sizes, uint32 } from './family.ts'
import { GEMMA, gemma } from './gemma.ts'
import { unusualRotation } from './keys.ts'
import { attention, feedForward, norm } from './layers.ts'
import type { TensorRule } from './tensor-rule.ts'
import { count, only, positive } from './values.ts'
import { windowedLayers } from './windows.ts'

/** Blocks of the 27B, whose scores are scaled by another length than a head's. */
const LARGE = 46
const EVERY = 2

export const gemma2: Family = {
  ...gemma,
  name: 'gemma2',
  classes: {
    Gemma2ForCausalLM: {
      ...sizes(256000, 2304, 9216, 26, 8, 4, 8192),
      ...GEMMA,
      query_pre_attn_scalar: 256,
      sliding_window: 4096,
      attn_logit_softcapping: 50,
      final_logit_softcapping: 30,
    },
  },
  keys: (config) => [
    float32('attn_logit_softcapping', positive(config.json, 'attn_logit_softcapping')),
    float32('final_logit_softcapping', positive(config.json, 'final_logit_softcapping')),
    uint32('attention.sliding_window', count(config.json, 'sliding_window')),
    ...unusualPattern(config, EVERY),
    ...unusualRotation(config),
  ],
  check: (config) => {
    gemma.check?.(config)
    checkScale(config, LARGE)
  },
  layer: gemma2Layer,
  vocabulary: { spacePrefix: 'never' },
}

/** Which layers are windowed, where it is not all but every nth. */
export function unusualPattern(config: HfConfig, every: number): Key[] {
  const windowed = windowedLayers(config, every)
  const isUsual = windowed.every((one, i) => one === ((i + 1) % every !== 0))
  return isUsual ? [] : [bools('attention.sliding_window_pattern', windowed)]
}

/** Readers scale scores by a head's size, or in models of `large` blocks by another length. */
export function checkScale(config: HfConfig, large: number): void {
  const { blockCount, embeddingLength, headCount, headDim } = config
  only(config, 'query_pre_attn_scalar', blockCount === large ? Math.floor(embeddingLength / headCount) : headDim)
}

export function gemma2Layer(config: HfConfig): TensorRule[] {
  const own = (name: string, source: string) => norm(name, source, config.embeddingLength)
  return [
    ...own('attn_norm', 'input_layernorm'),
    ...attention(config),
    ...own('post_attention_norm', 'post_attention_layernorm'),
    ...own('ffn_norm', 'pre_feedforward_layernorm'),
    ...feedForward(config),
    ...own('post_ffw_norm', 'post_feedforward_layernorm'),
  ]
}
