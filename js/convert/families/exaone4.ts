/** EXAONE 4: norms after each block, and of each head's queries and keys; windows in the 32B. */
import { bools, type Family, type HfConfig, type Key, sizes, uint32 } from './family.ts'
import { headNorms } from './layers.ts'
import { olmo2 } from './olmo2.ts'
import { count } from './values.ts'
import { refuseWindows, windowedLayers } from './windows.ts'

/** Layers of the size in which windows are heeded. */
const WINDOWED = 64
const EVERY = 4

function windows(config: HfConfig): Key[] {
  const { json } = config
  if (json.sliding_window === null) return []
  return [
    uint32('attention.sliding_window', count(json, 'sliding_window')),
    bools('attention.sliding_window_pattern', windowedLayers(config, EVERY)),
  ]
}

export const exaone4: Family = {
  name: 'exaone4',
  classes: {
    Exaone4ForCausalLM: { ...sizes(102400, 4096, 16384, 32, 32, 32, 2048), rms_norm_eps: 1e-5, sliding_window: 4096 },
  },
  scalings: ['llama3'],
  keys: (config) => [uint32('vocab_size', config.vocabSize), ...windows(config)],
  check: (config) => {
    if (config.blockCount !== WINDOWED) refuseWindows(config)
  },
  layer: (config) => {
    const rows = /^attn_[qk]_norm/
    return [...olmo2.layer(config).filter(({ name }) => !rows.test(name)), ...headNorms(config)]
  },
}
