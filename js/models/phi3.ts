/** Phi-3, 3.5 and 4: Abdin et al. 2024. LLaMA with fused tensors; LongRoPE; a part of each head may be rotated, all layers windowed. */
import type { Architecture } from './architecture.ts'

export const phi3: Architecture = {
  name: 'phi3',
  rope: 'half',
  config(keys, { layers }) {
    const window = keys.window()
    return { layers: layers.map((layer) => ({ ...layer, window })) }
  },
}
