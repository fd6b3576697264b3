/** OLMo 2, and OLMo 3, which goes by its name: norms after each block, of whole rows of queries and keys; windows in OLMo 3. */
import { UnsupportedError } from '../../errors.ts'
import { bools, type Family, sizes, uint32 } from './family.ts'
import { attention, feedForward, headNorms, norm } from './layers.ts'
import { count } from './values.ts'
import { windowedLayers } from './windows.ts'

const OLMO2 = { ...sizes(50304, 4096, 11008, 32, 32, null, 2048), rms_norm_eps: 1e-5 }
/** Of how many layers the last sees all positions. */
const EVERY = 4

export const olmo2: Family = {
  name: 'olmo2',
  classes: { Olmo2ForCausalLM: OLMO2 },
  layer: (config) => [
    ...attention(config),
    ...headNorms(config, { rows: true }),
    ...norm('post_attention_norm', 'post_attention_layernorm', config.embeddingLength),
    ...feedForward(config),
    ...norm('post_ffw_norm', 'post_feedforward_layernorm', config.embeddingLength),
  ],
}

export const olmo3: Family = {
  ...olmo2,
  classes: { Olmo3ForCausalLM: { ...OLMO2, rope_theta: 500000, sliding_window: 4096 } },
  windowsShareBase: true,
  keys: (config) => [
    uint32('attention.sliding_window', count(config.json, 'sliding_window')),
    bools('attention.sliding_window_pattern', windowedLayers(config, EVERY)),
  ],
  check: ({ rope: { base, baseSwa } }) => {
    if (baseSwa === base) return
    const message = `Windowed layers are rotated by another base (${baseSwa}) than the others (${base}); GGUF's olmo2 has one for all.`
    throw new UnsupportedError('HF_ROPE', message, baseSwa)
  },
}
