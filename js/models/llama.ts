/** LLaMA: Touvron et al. 2023. Mistral, Mixtral and many others go by its name. */
import type { Architecture } from './architecture.ts'

export const llama: Architecture = {
  name: 'llama',
  rope: 'interleaved',
  // As in llama.cpp.
  ignores: ['attention.sliding_window'],
}
