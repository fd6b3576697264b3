/** Sums over tokens, and what they say. Source: llama.cpp's tools/perplexity. */

/** A mean and its standard error. */
export interface Estimate {
  value: number
  error: number
}

/** Of values by their sum and the sum of their squares. Of ten or fewer the error is 0. */
export function meanOf(sum: number, squares: number, count: number): Estimate {
  const value = sum / count
  const variance = squares / count - value * value
  return { value, error: variance > 0 && count > 10 ? Math.sqrt(variance / (count - 1)) : 0 }
}

/** Covariance of two means. */
export function covarianceOf(a: number, b: number, products: number, count: number): number {
  return count < 10 ? 0 : (products / count - (a / count) * (b / count)) / (count - 1)
}

/** The value below which a share of the sorted values lies, between neighbours in proportion. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const last = sorted.length - 1
  const place = share * last
  const below = Math.min(Math.floor(place), last)
  const rest = place - below
  return (1 - rest) * sorted[below]! + rest * sorted[Math.min(below + 1, last)]!
}
