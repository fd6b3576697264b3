/** Hunyuan, dense: queries and keys are normed after they are rotated. */
import { pow } from '../../util/math.ts'
import { type Family, float32, type HfConfig, type Key, sizes, text, uint32 } from './family.ts'
import { feedForward, headNorms, llamaLayer } from './layers.ts'
import { positive } from './values.ts'

/** Contexts that configurations name, and what the models were trained for. */
const SHORT = 32768
const LONG = 262144

/** What its "dynamic" scaling comes to: another base. */
function dynamic({ rope, headDim, contextLength }: HfConfig): Key[] {
  if (rope.scaling !== 'dynamic') return []
  const context = contextLength === SHORT ? LONG : contextLength
  const base = rope.base * pow(positive(rope.parameters, 'alpha'), headDim / (headDim - 2))
  return [
    float32('rope.freq_base', base),
    text('rope.scaling.type', 'none'),
    float32('rope.scaling.factor', 1),
    uint32('rope.scaling.original_context_length', context),
    uint32('context_length', context),
  ]
}

export const hunyuanDense: Family = {
  name: 'hunyuan-dense',
  classes: { HunYuanDenseV1ForCausalLM: { ...sizes(290943, 4096, 11008, 32, 32, null, 2048), rms_norm_eps: 1e-5 } },
  scalings: ['dynamic'],
  keys: dynamic,
  head: 'untied',
  layer: (config) => [
    ...llamaLayer(config, feedForward(config)),
    ...headNorms(config, { names: 'query_layernorm key_layernorm' }),
  ],
  vocabulary: {
    ids: ({ eod_token_id }, { eos_token_id: ends }) => ({
      eos: eod_token_id,
      ...(Array.isArray(ends) && ends.length > 1 && { eot: ends[0] }),
    }),
  },
}
