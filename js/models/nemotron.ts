/** Nemotron 4 and Minitron: Parmar et al. 2024. LayerNorm, ReLU² without a gate, a part of each head is rotated. */
import type { Architecture } from './architecture.ts'

export const nemotron: Architecture = {
  name: 'nemotron',
  rope: 'half',
  norm: 'layer',
  config: () => ({ activation: 'relu2' }),
}
