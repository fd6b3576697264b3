/**
 * The links of llama.cpp's sampler chain (src/llama-sampler.cpp), one function each, on float32 as there. A cut keeps
 * at least `min_keep` candidates; masked and banned candidates stay in the chain with a logit of -∞, as in llama.cpp.
 */
import { ArgumentError } from '../errors.ts'
import { log, pow } from '../util/math.ts'
import { type Candidates, expf } from './candidates.ts'
import { type Breakers, dry } from './dry.ts'
import type { ChainStep } from './types.ts'

/** What the links know beside the logits. */
export interface ChainInputs {
  /** How often each token is among the last n (-1: all). */
  counts(n: number): ReadonlyMap<number, number>
  /** The tokens so far, the oldest first. */
  readonly tokens: readonly number[]
  /** Where DRY's repetitions end. */
  readonly breakers: Breakers
  /** XTC's random number, from 0 to 1. */
  readonly chance: number
}

const f32 = Math.fround
const logf = (x: number) => f32(log(x))

/** Applies the steps in order. */
export function runChain(candidates: Candidates, steps: readonly ChainStep[], inputs: ChainInputs): void {
  for (const step of steps) {
    switch (step.type) {
      case 'logit_bias':
        logitBias(candidates, step.bias)
        break
      case 'penalties':
        penalties(candidates, step, inputs)
        break
      case 'dry':
        dry(candidates, step, inputs.tokens, inputs.breakers)
        break
      case 'top_n_sigma':
        topNSigma(candidates, f32(step.n))
        break
      case 'top_k':
        topK(candidates, step.k)
        break
      case 'typical_p':
        typicalP(candidates, f32(step.p), step.min_keep ?? 0)
        break
      case 'top_p':
        topP(candidates, f32(step.p), step.min_keep ?? 0)
        break
      case 'min_p':
        minP(candidates, f32(step.p), step.min_keep ?? 0)
        break
      case 'xtc':
        xtc(candidates, step, inputs.chance)
        break
      case 'temperature':
        temperature(candidates, f32(step.t), f32(step.dynamic_range ?? 0), f32(step.exponent ?? 1))
        break
      default: {
        const { type } = step as { type: unknown }
        throw new ArgumentError('UNKNOWN_SAMPLER', `There is no sampler "${String(type)}".`, type)
      }
    }
  }
}

function logitBias(c: Candidates, biases: ReadonlyMap<number, number>): void {
  for (const [id, bias] of biases) {
    const i = c.indexOf(id)
    if (i >= 0) c.logits[i]! += f32(bias)
  }
  c.sorted = false
}

function penalties(c: Candidates, step: Extract<ChainStep, { type: 'penalties' }>, { counts }: ChainInputs): void {
  const repeat = f32(step.repeat)
  const frequency = f32(step.frequency)
  const presence = f32(step.presence)
  if (step.last_n === 0 || (repeat === 1 && frequency === 0 && presence === 0)) return
  for (const [id, count] of counts(step.last_n)) {
    const i = c.indexOf(id)
    if (i < 0) continue
    const logit = c.logits[i]!
    const penalized = f32(logit <= 0 ? logit * repeat : logit / repeat)
    c.logits[i] = penalized - f32(f32(count * frequency) + presence)
  }
  c.sorted = false
}

function topNSigma(c: Candidates, n: number): void {
  if (n <= 0 || c.size <= 1) return
  const max = c.logits[c.best()]!
  let sum = 0
  let count = 0
  for (let i = 0; i < c.size; i++) {
    const logit = c.logits[i]!
    if (logit === -Infinity) continue
    sum = f32(sum + logit)
    count++
  }
  const mean = f32(sum / count)
  let squares = 0
  for (let i = 0; i < c.size; i++) {
    const logit = c.logits[i]!
    if (logit === -Infinity) continue
    const off = f32(logit - mean)
    squares = f32(squares + off * off)
  }
  const sigma = f32(Math.sqrt(f32(squares / count)))
  const least = f32(max - f32(n * sigma))
  for (let i = 0; i < c.size; i++) if (c.logits[i]! < least) c.logits[i] = -Infinity
  c.sort()
}

export function topK(c: Candidates, k: number): void {
  if (k <= 0) return
  k = Math.min(k, c.size)
  if (c.sorted) c.size = k
  else c.keep(c.keysOfBest(k), k)
}

function typicalP(c: Candidates, p: number, minKeep: number): void {
  if (p >= 1) return
  c.sort()
  c.softmax()
  const n = c.size
  const probabilities = new Float32Array(n)
  let entropy = 0
  for (let i = 0; i < n; i++) {
    const probability = c.probability(c.logits[i]!)
    probabilities[i] = probability
    // lim x→0 of x·log x is 0 (llama.cpp lets the entropy become NaN).
    if (probability > 0) entropy = f32(entropy - f32(probability * logf(probability)))
  }
  // Sorted by |−log p − entropy|, then by place: the bits of a float32 ≥ 0 are ordered as it is.
  const scores = new Float32Array(n)
  for (let i = 0; i < n; i++) scores[i] = Math.abs(f32(-logf(probabilities[i]!) - entropy))
  const bits = new Uint32Array(scores.buffer)
  const keys = new Float64Array(n)
  for (let i = 0; i < n; i++) keys[i] = bits[i]! * n + i
  keys.sort()
  const order = Array.from(keys, (key) => key - Math.floor(key / n) * n)
  let kept = 0
  for (let sum = 0; kept < n; ) {
    sum = f32(sum + probabilities[order[kept++]!]!)
    if (sum > p && kept >= minKeep) break
  }
  const ids = order.slice(0, kept).map((i) => c.ids[i]!)
  const logits = order.slice(0, kept).map((i) => c.logits[i]!)
  c.ids.set(ids)
  c.logits.set(logits)
  c.size = kept
  c.sorted = false
  c.dense = false
}

function topP(c: Candidates, p: number, minKeep: number): void {
  if (p >= 1) return
  c.softmax()
  if (c.sorted) {
    let kept = 0
    for (let sum = 0; kept < c.size; ) {
      sum = f32(sum + c.probability(c.logits[kept++]!))
      if (sum >= p && kept >= minKeep) break
    }
    c.size = kept
    return
  }
  // The few best hold p nearly always: select those first, sort everything only if they do not.
  for (let k = Math.min(c.size, 256); ; k = Math.min(c.size, k * 16)) {
    const keys = c.keysOfBest(k)
    const kept = countThatHolds(c, keys, p, minKeep)
    if (kept <= k || k === c.size) {
      c.keep(keys, Math.min(kept, k))
      return
    }
  }
}

/** How many of the best hold p together; keys.length + 1 if even all do not. */
function countThatHolds(c: Candidates, keys: Float64Array, p: number, minKeep: number): number {
  const logits = c.logitsOfKeys(keys)
  let sum = 0
  for (let i = 0; i < logits.length; i++) {
    sum = f32(sum + c.probability(logits[i]!))
    if (sum >= p && i + 1 >= minKeep) return i + 1
  }
  return keys.length + 1
}

function minP(c: Candidates, p: number, minKeep: number): void {
  if (p <= 0) return
  const least = f32(c.logits[c.sorted ? 0 : c.best()]! + logf(p))
  let kept = 0
  for (let i = 0; i < c.size; i++) if (c.logits[i]! >= least) kept++
  if (kept < minKeep || c.sorted) {
    c.sort()
    c.size = Math.min(c.size, Math.max(kept, minKeep))
    return
  }
  kept = 0
  for (let i = 0; i < c.size; i++) {
    const logit = c.logits[i]!
    if (logit < least) continue
    c.ids[kept] = c.ids[i]!
    c.logits[kept++] = logit
  }
  c.dense = c.dense && kept === c.size
  c.size = kept
}

/** Whether the link ever does anything. */
export function isXtc({ probability, threshold }: Extract<ChainStep, { type: 'xtc' }>): boolean {
  return f32(probability) > 0 && f32(threshold) <= 0.5
}

function xtc(c: Candidates, step: Extract<ChainStep, { type: 'xtc' }>, chance: number): void {
  if (!isXtc(step) || c.size < 2 || chance > f32(step.probability)) return
  const threshold = f32(step.threshold)
  c.sort()
  c.softmax()
  let last = 0
  for (let i = 1; i < c.size && c.probability(c.logits[i]!) >= threshold; i++) last = i
  if (last === 0 || c.size - last < (step.min_keep ?? 0)) return
  c.ids.copyWithin(0, last, c.size)
  c.logits.copyWithin(0, last, c.size)
  c.size -= last
  c.dense = false
}

function temperature(c: Candidates, t: number, range: number, exponent: number): void {
  if (range > 0) {
    if (c.size <= 1) return
    c.sort()
    c.softmax()
    let entropy = 0
    for (let i = 0; i < c.size; i++) {
      const probability = c.probability(c.logits[i]!)
      if (probability > 0) entropy = f32(entropy - f32(probability * logf(probability)))
    }
    const share = f32(entropy / -logf(f32(1 / c.size)))
    const low = Math.max(0, f32(t - range))
    const high = f32(t + range)
    t = f32(low + f32(f32(high - low) * f32(pow(share, exponent))))
  }
  const best = c.sorted ? 0 : c.best()
  const top = f32(c.logits[best]! / t)
  if (t <= 0 || top - top !== 0) {
    // Also where t is so small that the quotient overflows.
    for (let i = 0; i < c.size; i++) if (i !== best) c.logits[i] = -Infinity
    return
  }
  for (let i = 0; i < c.size; i++) c.logits[i]! /= t
}

/**
 * A number in proportion to a candidate's probability: e^(logit − max) as float32. Their sum is taken in f64, in the
 * order the candidates stand, as llama.cpp's last link does.
 */
export function weights(c: Candidates): { weights: Float32Array; sum: number } {
  const max = c.logits[c.best()]!
  const weights = new Float32Array(c.size)
  let sum = 0
  for (let i = 0; i < c.size; i++) {
    const weight = expf(f32(c.logits[i]! - max))
    weights[i] = weight
    sum += weight
  }
  return { weights, sum }
}
