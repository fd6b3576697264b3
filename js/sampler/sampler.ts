/** From logits to the next token. */
import { ArgumentError } from '../errors.ts'
import { hasBit } from '../util/bits.ts'
import { log } from '../util/math.ts'
import { bestOf, Candidates, checkVocabularySize } from './candidates.ts'
import { runChain, weights } from './chain.ts'
import { certainLogprobs } from './logprobs.ts'
import { resolve, type SamplerSettings } from './options.ts'
import { Random, randomSeed } from './random.ts'
import type { Constraint, SamplerOptions } from './types.ts'

export { Random, randomSeed } from './random.ts'
export type { Constraint, LogitBias, SamplerOptions } from './types.ts'

/**
 * Chooses tokens as llama.cpp's default chain does: logit bias, penalties, top-n-sigma, top-k, typical, top-p, min-p,
 * temperature, then a draw. The random numbers are xoshiro128**'s, so a seed gives other choices than in llama.cpp,
 * the same ones on every engine.
 */
export class Sampler {
  /** The seed in use: the one given or the one drawn. */
  readonly seed: number
  private readonly settings: SamplerSettings
  private readonly vocabularySize: number
  /** Made when first needed: it is large, and a generation may wait long. */
  private made: Candidates | undefined
  private readonly random: Random
  /** Nothing changes the logits and the best is taken. */
  private readonly plain: boolean
  /** The last tokens the penalties regard, and how often each occurs. */
  private history: number[] = []
  private readonly counts = new Map<number, number>()

  /**
   * Throws ArgumentError where an option is wrong.
   * @param banned token ids that are never chosen, whatever their bias
   */
  constructor(
    options: SamplerOptions,
    vocabularySize: number,
    private readonly banned: ReadonlySet<number> = new Set(),
  ) {
    checkVocabularySize(vocabularySize)
    this.settings = resolve(options, vocabularySize)
    this.vocabularySize = vocabularySize
    this.seed = this.settings.seed ?? randomSeed()
    this.random = new Random(this.seed)
    const { greedy, bias, penalties } = this.settings
    this.plain = greedy && bias.bias.size === 0 && !penalizes(penalties)
    if (banned.size > 0) {
      const all = new Map(bias.bias)
      for (const id of banned) all.set(id, -Infinity)
      bias.bias = all
    }
  }

  private get candidates(): Candidates {
    this.made ??= new Candidates(this.vocabularySize)
    return this.made
  }

  /** Counts a token for the penalties: each of the prompt's (as llama.cpp does), then each sampled one. */
  accept(id: number): void {
    if (!Number.isInteger(id) || id < 0 || id >= this.vocabularySize) {
      const message = `A token id must be an integer from 0 to ${this.vocabularySize - 1}, not ${id}.`
      throw new ArgumentError('INVALID_TOKEN', message, id)
    }
    const { penalties } = this.settings
    if (!penalizes(penalties)) return
    const lastN = penalties.last_n
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1)
    if (lastN < 0) return
    this.history.push(id)
    if (this.history.length <= lastN) return
    const oldest = this.history.shift()!
    const count = this.counts.get(oldest)! - 1
    if (count > 0) this.counts.set(oldest, count)
    else this.counts.delete(oldest)
  }

  /** Accepts a token that was sampled before, and draws the random number that it took. */
  skip(id: number): void {
    if (!this.settings.greedy) this.random.uniform()
    this.accept(id)
  }

  /**
   * The next token's id. Does not accept it. A token that a constraint refuses is drawn again from those that it allows,
   * by the same random number; undefined where it allows none.
   * @param logits [vocabulary], left as they are; NumericError unless all are finite
   */
  sample(logits: Float32Array): number
  sample(logits: Float32Array, constraint: Constraint | undefined): number | undefined
  sample(logits: Float32Array, constraint?: Constraint): number | undefined {
    const random = this.settings.greedy ? 0 : this.random.uniform()
    const id = this.choose(logits, random)
    if (!constraint || constraint.allows(id)) return id
    const mask = constraint.mask()
    const allowed = this.choose(logits, random, mask)
    return hasBit(mask, allowed) && !this.banned.has(allowed) ? allowed : undefined
  }

  private choose(logits: Float32Array, random: number, mask?: Uint32Array): number {
    const { candidates, settings } = this
    if (this.plain && !mask && logits.length === this.vocabularySize) {
      const best = bestOf(logits)
      if (!this.banned.has(best)) return best
    }
    candidates.load(logits)
    if (mask) candidates.restrict(mask)
    const counts = () => this.counts
    runChain(candidates, settings.ordered ? [settings.bias] : [settings.bias, settings.penalties], counts)
    // One pass, and the lowest id among equals: nothing has moved yet.
    if (settings.greedy) return candidates.best()
    runChain(candidates, settings.cuts, counts)
    const { weights: w, sum } = weights(candidates)
    const target = sum * random
    let chosen = 0
    let running = 0
    for (let i = 0; i < candidates.size; i++) {
      if (w[i] === 0) continue
      chosen = i
      running += w[i]!
      if (running > target) break
    }
    return candidates.ids[chosen]!
  }

  /**
   * The logprob of the token that was sampled last, then those of the `count` most probable ones, the best first, lower ids
   * first among equals: of what the chain left to draw from, which may be fewer.
   */
  lastLogprobs(chosen: number, count: number): [id: number, logprob: number][] {
    if (this.settings.greedy) return certainLogprobs(chosen, count)
    const { ids } = this.candidates
    const { weights: w, sum } = weights(this.candidates)
    const left = Array.from(w.keys()).filter((i) => w[i]! > 0)
    const best = left.sort((a, b) => w[b]! - w[a]! || ids[a]! - ids[b]!).slice(0, count)
    return [left.find((i) => ids[i] === chosen)!, ...best].map((i) => [ids[i]!, log(w[i]! / sum)])
  }

  /** Forgets the tokens accepted and starts the random numbers over. */
  reset(): void {
    this.history = []
    this.counts.clear()
    this.random.seed(this.seed)
  }
}

function penalizes({ last_n, repeat, frequency, presence }: SamplerSettings['penalties']): boolean {
  return last_n !== 0 && (repeat !== 1 || frequency !== 0 || presence !== 0)
}
