/**
 * EXAONE 4.0: LG AI Research 2025. Norms after each block instead of before, and of each head's queries and keys. Where it has
 * windows, only windowed layers are rotated.
 */
import { type Architecture, postNormLayer, windowedLayers } from './architecture.ts'

/** The size that has windows whether or not its keys say so. Source: llama.cpp. */
const WINDOWED_LAYERS = 64

export const exaone4: Architecture = {
  name: 'exaone4',
  rope: 'half',
  ignores: ['rope.freq_base_swa'],
  config(keys, { blockCount }) {
    const window = keys.window(blockCount === WINDOWED_LAYERS ? 4096 : 0)
    const windowed = keys.windowed(blockCount, 4)
    if (window === 0) return {}
    return { layers: windowedLayers(windowed, window, 0, -1) }
  },
  layer: (find, config, i) => ({
    ...postNormLayer(find, config, i),
    ...find.headNorms(i, config.headDim, config.headDim),
  }),
}
