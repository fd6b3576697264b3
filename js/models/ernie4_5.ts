/** ERNIE 4.5, dense: Baidu 2025. LLaMA by other names. */
import type { Architecture } from './architecture.ts'

export const ernie4_5: Architecture = {
  name: 'ernie4_5',
  rope: 'interleaved',
  // Of pictures.
  ignores: ['rope.dimension_sections'],
}
