/** What measuring a perplexity is asked for and gives. */

export interface PerplexityOptions {
  /** Tokens of a chunk; default min(512, the model's context). */
  context?: number
  /** Most chunks; default: all that are whole. */
  chunks?: number
  /** Called after each chunk with the estimate from all so far. */
  onChunk?: (chunk: { index: number; total: number; perplexity: number }) => void
  signal?: AbortSignal
}

export interface PerplexityResult {
  /** exp of the mean negative log-likelihood, and its standard error. */
  perplexity: number
  uncertainty: number
  /** Tokens that counted: the later half of each chunk but its first. */
  tokens: number
  /** The estimate after each chunk. */
  estimates: number[]
}
