/** OLMo 2 (OLMo et al. 2024) and OLMo 3, which goes by its name: norms after each block instead of before, windows in OLMo 3. */
import { type Architecture, postNormLayer, windowedLayers } from './architecture.ts'

export const olmo2: Architecture = {
  name: 'olmo2',
  rope: 'half',
  // Windowed layers are rotated as the others, but for the scaling.
  ignores: ['rope.freq_base_swa'],
  config(keys, { blockCount, ropes: [rope] }) {
    const window = keys.window()
    if (window === 0) return { headNorm: 'row' }
    const windowed = keys.windowed(blockCount, 4)
    return {
      headNorm: 'row',
      ropes: [rope!, { ...rope!, scaling: 'none', factor: 1, attentionFactor: 1 }],
      layers: windowedLayers(windowed, window, 1),
    }
  },
  layer: (find, config, i) => ({
    ...postNormLayer(find, config, i),
    ...find.headNorms(i, config.headCount * config.headDim, config.headCountKv * config.headDim),
  }),
}
