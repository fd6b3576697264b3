/** MiniCPM: Hu et al. 2024. Granite's scales, with its own defaults. */
import type { Architecture } from './architecture.ts'

export const minicpm: Architecture = {
  name: 'minicpm',
  rope: 'interleaved',
  ignores: ['attention.scale'],
  config: (keys, { blockCount, embeddingLength }) => ({
    embeddingScale: keys.positiveOr('embedding_scale', 12),
    residualScale: keys.positiveOr('residual_scale', 1.4 / Math.sqrt(blockCount)),
    // What the file says is a divisor.
    logitScale: 1 / keys.positiveOr('logit_scale', 256 / embeddingLength),
  }),
}
