/** Gemma 3: Kamath et al. 2025. Gemma 2 without caps, with normed queries and keys; five of six layers windowed. */
import { type Architecture, windowedLayers } from './architecture.ts'
import { gemma } from './gemma.ts'
import { gemma2Layer, largeScale } from './gemma2.ts'

/** Blocks of the 27B, whose scores are scaled by another length than a head's. */
const LARGE = 62

export const gemma3: Architecture = {
  ...gemma,
  name: 'gemma3',
  config(keys, config, gguf) {
    const {
      blockCount,
      ropes: [rope],
    } = config
    const window = keys.window()
    const windowed = keys.windowed(blockCount, 6)
    const base = keys.positive('rope.freq_base_swa', 10000)
    return {
      ...gemma.config!(keys, config, gguf),
      attentionScale: largeScale(config, LARGE),
      logitCap: keys.number('final_logit_softcapping', 0) && keys.positive('final_logit_softcapping'),
      ...(window > 0 && {
        ropes: [rope!, { ...rope!, base, scaling: 'none' as const, factor: 1 }],
        layers: windowedLayers(windowed, window, 1),
      }),
    }
  },
  layer: (find, config, i) => ({
    ...gemma2Layer(find, config, i),
    ...find.headNorms(i, config.headDim, config.headDim),
  }),
}
