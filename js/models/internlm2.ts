/** InternLM 2: Cai et al. 2024. LLaMA by other names. */
import type { Architecture } from './architecture.ts'

export const internlm2: Architecture = { name: 'internlm2', rope: 'interleaved' }
