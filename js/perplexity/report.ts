/** The tables of llama-perplexity. Source: llama.cpp's tools/perplexity. */
import { exp } from '../math.ts'
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

function divergenceTable({ divergence, divergences }: Divergence): string[] {
  const sorted = Float32Array.from(divergences).sort()
  const row = (name: string, share: number) => `${name} KLD: ${fixed(quantile(sorted, share), 10, 6)}`
  return [
    '====== KL divergence statistics ======',
    `Mean    KLD: ${both(divergence, 10, 6)}`,
    row('Maximum', 1),
    row('99.9%  ', 0.999),
    row('99.0%  ', 0.99),
    row('95.0%  ', 0.95),
    row('90.0%  ', 0.9),
    row('Median ', 0.5),
    row('10.0%  ', 0.1),
    row(' 5.0%  ', 0.05),
    row(' 1.0%  ', 0.01),
    row(' 0.1%  ', 0.001),
    row('Minimum', 0),
  ]
}

function shiftTable({ meanShift, rootShift, sameTop, shifts }: Divergence): string[] {
  const sorted = Float32Array.from(shifts).sort()
  const row = (name: string, share: number) => `${name} Δp: ${fixed(100 * quantile(sorted, share), 6, 3)}%`
  return [
    '====== Token probability statistics ======',
    `Mean    Δp: ${both(percent(meanShift), 6, 3, 5)} %`,
    row('Maximum', 1),
    row('99.9%  ', 0.999),
    row('99.0%  ', 0.99),
    row('95.0%  ', 0.95),
    row('90.0%  ', 0.9),
    row('75.0%  ', 0.75),
    row('Median ', 0.5),
    row('25.0%  ', 0.25),
    row('10.0%  ', 0.1),
    row(' 5.0%  ', 0.05),
    row(' 1.0%  ', 0.01),
    row(' 0.1%  ', 0.001),
    row('Minimum', 0),
    `RMS Δp    : ${both(percent(rootShift), 6, 3, 5)} %`,
    `Same top p: ${both(percent(sameTop), 6, 3, 5)} %`,
  ]
}
