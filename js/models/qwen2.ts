/** Qwen 2 and 2.5: Yang et al. 2024. LLaMA with biases of queries, keys and values. */
import type { Architecture } from './architecture.ts'

export const qwen2: Architecture = { name: 'qwen2', rope: 'half' }
