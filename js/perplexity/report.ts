/** The tables of llama-perplexity. Source: llama.cpp's tools/perplexity. */
import { exp } from '../util/math.ts'
import type { Divergence } from './divergence.ts'
import { type Estimate, quantile } from './statistics.ts'

/** As C's `%WIDTH.DIGITSf`. */
function fixed(value: number, width: number, digits: number): string {
  return value.toFixed(digits).padStart(width)
}

function both({ value, error }: Estimate, width: number, digits: number, errorWidth = width): string {
  return `${fixed(value, width, digits)} ± ${fixed(error, errorWidth, digits)}`
}

function percent({ value, error }: Estimate): Estimate {
  return { value: 100 * value, error: 100 * error }
}

/** An estimate of e to the power of another. */
function exponential({ value, error }: Estimate): Estimate {
  const power = exp(value)
  return { value: power, error: power * error }
}

export const DIVERGENCE_HEADER =
  'chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence              Δp RMS            Same top p'

export function divergenceRow(index: number, found: Divergence): string {
  return [
    String(index + 1).padStart(4),
    both(exponential(found.logPerplexity), 9, 4),
    both(found.logRatio, 10, 5),
    both(found.divergence, 10, 5),
    `${both(percent(found.rootShift), 6, 3)} %`,
    `${both(percent(found.sameTop), 6, 3)} %`,
  ].join('    ')
}

/** Fewer tokens say nothing. */
const LEAST_TOKENS = 100

/** The closing tables; none for few tokens. */
export function divergenceSummary(found: Divergence): string[] {
  if (found.count < LEAST_TOKENS) return []
  return [...perplexityTable(found), '', ...divergenceTable(found), '', ...shiftTable(found)]
}

function perplexityTable(found: Divergence): string[] {
  const { logPerplexity, logPerplexityBase, logRatio, covariance } = found
  const a = exponential(logPerplexity)
  const b = exponential(logPerplexityBase)
  const correlation = covariance / (logPerplexity.error * logPerplexityBase.error)
  const variance = a.error * a.error + b.error * b.error - 2 * a.value * b.value * covariance
  const difference = { value: a.value - b.value, error: Math.sqrt(Math.max(0, variance)) }
  return [
    '====== Perplexity statistics ======',
    `Mean PPL(Q)                   : ${both(a, 10, 6)}`,
    `Mean PPL(base)                : ${both(b, 10, 6)}`,
    `Cor(ln(PPL(Q)), ln(PPL(base))): ${fixed(100 * correlation, 6, 2)}%`,
    `Mean ln(PPL(Q)/PPL(base))     : ${both(logRatio, 10, 6)}`,
    `Mean PPL(Q)/PPL(base)         : ${both(exponential(logRatio), 10, 6)}`,
    `Mean PPL(Q)-PPL(base)         : ${both(difference, 10, 6)}`,
  ]
}

/** Rows of both tables of quantiles; those of the second alone. */
const SHARES: readonly [name: string, share: number][] = [
  ['Maximum', 1],
  ['99.9%', 0.999],
  ['99.0%', 0.99],
  ['95.0%', 0.95],
  ['90.0%', 0.9],
  ['75.0%', 0.75],
  ['Median', 0.5],
  ['25.0%', 0.25],
  ['10.0%', 0.1],
  [' 5.0%', 0.05],
  [' 1.0%', 0.01],
  [' 0.1%', 0.001],
  ['Minimum', 0],
]
const QUARTERS = [0.25, 0.75]

function quantiles(
  values: readonly number[],
  line: (name: string, value: number) => string,
  without: readonly number[] = [],
): string[] {
  const sorted = Float32Array.from(values).sort()
  const shown = SHARES.filter(([, share]) => !without.includes(share))
  return shown.map(([name, share]) => line(name.padEnd(7), quantile(sorted, share)))
}

function divergenceTable({ divergence, divergences }: Divergence): string[] {
  return [
    '====== KL divergence statistics ======',
    `Mean    KLD: ${both(divergence, 10, 6)}`,
    ...quantiles(divergences, (name, value) => `${name} KLD: ${fixed(value, 10, 6)}`, QUARTERS),
  ]
}

function shiftTable({ meanShift, rootShift, sameTop, shifts }: Divergence): string[] {
  return [
    '====== Token probability statistics ======',
    `Mean    Δp: ${both(percent(meanShift), 6, 3, 5)} %`,
    ...quantiles(shifts, (name, value) => `${name} Δp: ${fixed(100 * value, 6, 3)}%`),
    `RMS Δp    : ${both(percent(rootShift), 6, 3, 5)} %`,
    `Same top p: ${both(percent(sameTop), 6, 3, 5)} %`,
  ]
}
