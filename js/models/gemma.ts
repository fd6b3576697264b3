/** Gemma: Mesnard et al. 2024. GeGLU, and embeddings times the root of their length. Files hold norms with 1 added. */
import type { Architecture } from './architecture.ts'

export const gemma: Architecture = {
  name: 'gemma',
  rope: 'half',
  config: (_, { embeddingLength }) => ({ activation: 'geglu', embeddingScale: Math.sqrt(embeddingLength) }),
}
