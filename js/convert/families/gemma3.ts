/** Gemma 3: Gemma 2 without caps, with normed queries and keys, five of six layers windowed; the text model where there are others. */
import { type Family, float32, sizes, uint32 } from './family.ts'
import { GEMMA } from './gemma.ts'
import { checkScale, gemma2, gemma2Layer, unusualPattern } from './gemma2.ts'
import { headNorms } from './layers.ts'
import { count, only, positive } from './values.ts'
import { windowedLayers } from './windows.ts'

/** Blocks of the 27B, whose scores are scaled by another length than a head's. */
const LARGE = 62
const EVERY = 6
const GEMMA3 = {
  ...sizes(262208, 2304, 9216, 26, 8, 4, 131072),
  ...GEMMA,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
  rope_theta: 1e6,
  rope_local_base_freq: 10000,
}

export const gemma3: Family = {
  ...gemma2,
  name: 'gemma3',
  classes: { Gemma3ForCausalLM: GEMMA3, Gemma3ForConditionalGeneration: GEMMA3 },
  keys: (config) => {
    const { json } = config
    const cap = json.final_logit_softcapping
    const some = windowedLayers(config, EVERY).includes(true)
    return [
      ...(cap ? [float32('final_logit_softcapping', positive(json, 'final_logit_softcapping'))] : []),
      ...(some ? [uint32('attention.sliding_window', count(json, 'sliding_window'))] : []),
      ...(some ? unusualPattern(config, EVERY) : []),
    ]
  },
  order: undefined,
  check: (config) => {
    only(config, 'use_bidirectional_attention', false, null)
    only(config, 'attn_logit_softcapping', null)
    checkScale(config, LARGE)
  },
  head: 'any',
  rename: (name) => name.replace(/^language_model\./, '').replace(/^model\.language_model\./, 'model.'),
  skips: /^(model\.)?(vision_tower|multi_modal_projector)\./,
  layer: (config) => [...gemma2Layer(config), ...headNorms(config)],
}
