/** Arcee AFM: Arcee AI 2025. ReLU² without a gate. */
import type { Architecture } from './architecture.ts'

export const arcee: Architecture = { name: 'arcee', rope: 'interleaved', config: () => ({ activation: 'relu2' }) }
