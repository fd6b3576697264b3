/** SmolLM3: Hugging Face 2025. Every fourth layer is not rotated. */
import type { Architecture } from './architecture.ts'

export const smollm3: Architecture = {
  name: 'smollm3',
  rope: 'interleaved',
  config: (_, { layers }) => ({ layers: layers.map((layer, i) => ({ ...layer, rope: (i + 1) % 4 === 0 ? -1 : 0 })) }),
}
