/** SmolLM3: every fourth layer is not rotated. */
import { UnsupportedError } from '../../errors.ts'
import { type Family, type HfConfig, sizes } from './family.ts'
import { llamaLayer } from './layers.ts'
import { llama } from './llama.ts'
import { only } from './values.ts'
import { refuseWindows } from './windows.ts'

/** Of how many layers the last is not rotated. */
const INTERVAL = 4

export const smollm3: Family = {
  ...llama,
  name: 'smollm3',
  classes: {
    SmolLM3ForCausalLM: {
      ...sizes(128256, 2048, 11008, 36, 16, 4, 32768),
      rope_theta: 2e6,
      tie_word_embeddings: true,
      no_rope_layer_interval: INTERVAL,
    },
  },
  scalings: [],
  headDim: 'stated',
  layer: (config) => llamaLayer(config),
  check: (config) => {
    only(config, 'mlp_bias', false, null)
    if (config.json.use_sliding_window === true) refuseWindows(config)
    checkTurned(config)
  },
}

function checkTurned({ json, blockCount }: HfConfig): void {
  const listed: unknown = json.no_rope_layers
  const interval = json.no_rope_layer_interval
  const isUsual = Array.isArray(listed)
    ? listed.length === blockCount && listed.every((one, i) => Boolean(one) === ((i + 1) % INTERVAL !== 0))
    : interval === INTERVAL
  if (isUsual) return
  const message = `config.json has other layers that are not rotated than every fourth (no_rope_layers); GGUF's smollm3 cannot say so.`
  throw new UnsupportedError('HF_SETTING', message, 'no_rope_layers')
}
