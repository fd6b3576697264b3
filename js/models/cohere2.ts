/** Command R7B and Command A: Cohere 2024. Command R with windows in three of four layers, and only these are rotated. */
import { type Architecture, windowedLayers } from './architecture.ts'
import { commandR } from './command-r.ts'

export const cohere2: Architecture = {
  ...commandR,
  name: 'cohere2',
  // As in llama.cpp's graph, every layer has the one base.
  ignores: ['rope.freq_base_swa'],
  config(keys, config, gguf) {
    const window = keys.tokens('attention.sliding_window')
    const windowed = keys.windowed(config.blockCount, 4)
    return {
      ...commandR.config!(keys, config, gguf),
      logitScale: keys.positive('logit_scale'),
      layers: windowedLayers(windowed, window, 0, -1),
    }
  },
}
