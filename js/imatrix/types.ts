/** What measuring an importance matrix is asked for. */
import type { PerplexityOptions } from '../perplexity/types.ts'

export interface ImatrixOptions extends Omit<PerplexityOptions, 'onChunk'> {
  /** Measure `output.weight` too; default false. */
  processOutput?: boolean
  /** `'dat'`: the format before GGUF; default `'gguf'`. */
  format?: 'gguf' | 'dat'
  /** A name of the text, for the file to tell. */
  dataset?: string
  /** Called after each chunk. */
  onChunk?: (chunk: { index: number; total: number }) => void
}
