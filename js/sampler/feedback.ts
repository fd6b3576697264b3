/** Samplers that end the chain and learn from what was drawn. The arithmetic is llama.cpp's. */
import { log, pow } from '../util/math.ts'
import type { Candidates } from './candidates.ts'
import { topK } from './chain.ts'
import type { FeedbackStep } from './types.ts'

export interface Feedback {
  /** Cuts the candidates or changes their logits, before the draw. */
  apply(candidates: Candidates): void
  /** Learns that the candidate at `i` was drawn, of those that apply left. */
  drawn(candidates: Candidates, i: number): void
  /** Forgets what was drawn. */
  reset(): void
}

export function createFeedback(step: FeedbackStep, vocabularySize: number): Feedback {
  return step.type === 'mirostat' ? new Mirostat(step, vocabularySize) : new AdaptiveP(step)
}

const f32 = Math.fround
const logf = (x: number) => f32(log(x))
const powf = (base: number, y: number) => f32(pow(base, y))
const LN2 = log(2)
/** In bits. */
const surprise = (probability: number) => -f32(log(probability) / LN2)

/** The tokens from which Mirostat 1 estimates how fast probabilities fall. */
const MOST_ESTIMATED = 100

export class Mirostat implements Feedback {
  /** The surprise at which it cuts. */
  mu = 0
  private readonly tau: number
  private readonly eta: number

  constructor(
    private readonly step: Extract<FeedbackStep, { type: 'mirostat' }>,
    private readonly vocabularySize: number,
  ) {
    this.tau = f32(step.tau)
    this.eta = f32(step.eta)
    this.reset()
  }

  apply(c: Candidates): void {
    c.sort()
    c.softmax()
    if (this.step.version === 1) topK(c, this.countBySlope(c))
    else {
      let kept = 0
      while (kept < c.size && surprise(c.probability(c.logits[kept]!)) <= this.mu) kept++
      c.size = Math.max(kept, 1)
    }
    c.softmax()
  }

  /** How many candidates Zipf's law with the exponent of these leaves, so that the surprise is mu. */
  private countBySlope(c: Candidates): number {
    let products = 0
    let squares = 0
    for (let i = 0; i + 1 < Math.min(MOST_ESTIMATED, c.size); i++) {
      const next = c.probability(c.logits[i + 1]!)
      // Masked candidates say nothing of the others.
      if (next === 0) break
      const t = logf(f32((i + 2) / (i + 1)))
      const b = logf(f32(c.probability(c.logits[i]!) / next))
      products = f32(products + f32(t * b))
      squares = f32(squares + f32(t * t))
    }
    const s = f32(products / squares)
    const epsilon = f32(s - 1)
    const share = f32(f32(epsilon * powf(2, this.mu)) / f32(1 - powf(this.vocabularySize, -epsilon)))
    const k = Math.trunc(powf(share, f32(1 / s)))
    return k >= 1 ? Math.min(k, c.size) : 1
  }

  drawn(c: Candidates, i: number): void {
    const error = f32(surprise(c.probability(c.logits[i]!)) - this.tau)
    this.mu = f32(this.mu - f32(this.eta * error))
  }

  reset(): void {
    this.mu = f32(2 * this.tau)
  }
}

/** A probability of this distance from the target is out of its middle. */
const WIDTH = 0.3
const PEAK = 5
const SHARPNESS = 10

export class AdaptiveP implements Feedback {
  /** Sums of the probabilities drawn and of their weights, those long ago less. */
  sum = 0
  weight = 0
  private readonly target: number
  private readonly decay: number
  private probabilities = new Float32Array()

  constructor(step: Extract<FeedbackStep, { type: 'adaptive_p' }>) {
    this.target = f32(step.target)
    this.decay = f32(step.decay)
    this.reset()
  }

  apply(c: Candidates): void {
    c.softmax()
    this.probabilities = new Float32Array(c.size)
    const aim = Math.min(1, Math.max(0, f32(f32(2 * this.target) - f32(this.sum / this.weight))))
    const inverse = f32(1 / f32(WIDTH))
    for (let i = 0; i < c.size; i++) {
      const logit = c.logits[i]!
      const probability = c.probability(logit)
      this.probabilities[i] = probability
      if (logit === -Infinity) continue
      const distance = Math.abs(f32(f32(probability - aim) * inverse))
      c.logits[i] = PEAK - f32(f32(f32(SHARPNESS * distance) * distance) / f32(1 + distance))
    }
    c.sorted = false
  }

  drawn(_: Candidates, i: number): void {
    this.sum = f32(this.probabilities[i]! + f32(this.decay * this.sum))
    this.weight = f32(1 + f32(this.decay * this.weight))
  }

  reset(): void {
    const rest = f32(1 - this.decay)
    this.sum = f32(this.target / rest)
    this.weight = f32(1 / rest)
  }
}
