/** From logits to the next token. */
import { ArgumentError } from '../errors.ts'
import { hasBit } from '../util/bits.ts'
import { log } from '../util/math.ts'
import { bestOf, Candidates, checkVocabularySize } from './candidates.ts'
import { type ChainInputs, runChain, weights } from './chain.ts'
import { type Breakers, type BreakerVocabulary, findBreakers } from './dry.ts'
import { createFeedback, type Feedback } from './feedback.ts'
import { certainLogprobs } from './logprobs.ts'
import { resolve, type SamplerSettings } from './options.ts'
import { Random, randomSeed } from './random.ts'
import type { Constraint, SamplerOptions } from './types.ts'

export { Random, randomSeed } from './random.ts'
export type { Constraint, LogitBias, SamplerOptions } from './types.ts'

/**
 * Chooses tokens as llama.cpp's chain does: logit bias, penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p, XTC,
 * temperature, adaptive-p where it is on, then a draw; or logit bias, temperature, Mirostat and a draw. The random numbers
 * are xoshiro128**'s, so a seed gives other choices than in llama.cpp, the same ones on every engine.
 */
export class Sampler {
  /** The seed in use: the one given or the one drawn. */
  readonly seed: number
  private readonly settings: SamplerSettings
  private readonly vocabularySize: number
  private readonly banned: ReadonlySet<number>
  /** Made when first needed: it is large, and a generation may wait long. */
  private made: Candidates | undefined
  private readonly random: Random
  /** Nothing changes the logits and the best is taken. */
  private readonly plain: boolean
  private readonly feedback: Feedback | undefined
  private readonly breakers: Breakers
  /** The tokens that penalties and DRY regard, and how often each occurs among those of the penalties. */
  private tokens: number[] = []
  private readonly counts = new Map<number, number>()
  /** Where the token that was chosen last stands among the candidates. */
  private chosen = 0

  /**
   * Throws ArgumentError where an option is wrong.
   * @param banned token ids that are never chosen, whatever their bias
   * @param vocabulary where the tokens of DRY's sequence breakers are; without it there are none
   */
  constructor(
    options: SamplerOptions,
    vocabularySize: number,
    { banned = new Set(), vocabulary }: { banned?: ReadonlySet<number>; vocabulary?: BreakerVocabulary } = {},
  ) {
    checkVocabularySize(vocabularySize)
    this.settings = resolve(options, vocabularySize)
    this.vocabularySize = vocabularySize
    this.banned = banned
    this.seed = this.settings.seed ?? randomSeed()
    this.random = new Random(this.seed)
    const { greedy, bias, penalties, feedback, breakers = [] } = this.settings
    this.plain = greedy && bias.bias.size === 0 && !penalizes(penalties) && !this.settings.breakers
    if (feedback && !greedy) this.feedback = createFeedback(feedback, vocabularySize)
    this.breakers = vocabulary && breakers.length > 0 ? findBreakers(breakers, vocabulary) : new Map()
    if (banned.size > 0) {
      const all = new Map(bias.bias)
      for (const id of banned) all.set(id, -Infinity)
      bias.bias = all
    }
  }

  /** Whether the tokens that were chosen say all that the choice of the next one depends on: see skip. */
  get replayable(): boolean {
    return this.feedback === undefined
  }

  private get candidates(): Candidates {
    this.made ??= new Candidates(this.vocabularySize)
    return this.made
  }

  /** Counts a token for penalties and DRY: each of the prompt's (as llama.cpp does), then each sampled one. */
  accept(id: number): void {
    if (!Number.isInteger(id) || id < 0 || id >= this.vocabularySize) {
      const message = `A token id must be an integer from 0 to ${this.vocabularySize - 1}, not ${id}.`
      throw new ArgumentError('INVALID_TOKEN', message, id)
    }
    const { penalties, breakers } = this.settings
    const counted = penalizes(penalties)
    if (counted || breakers) this.tokens.push(id)
    if (!counted) return
    const lastN = penalties.last_n
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1)
    const oldest = lastN < 0 ? undefined : this.tokens.at(-1 - lastN)
    if (oldest === undefined) return
    const count = this.counts.get(oldest)! - 1
    if (count > 0) this.counts.set(oldest, count)
    else this.counts.delete(oldest)
  }

  /**
   * Accepts a token that was sampled before, or that had to come, and draws the random numbers that a sampled one takes.
   * Mirostat and adaptive-p learn nothing from it.
   */
  skip(id: number): void {
    this.draw()
    this.accept(id)
  }

  /** The random numbers of a token: of the draw, and XTC's. */
  private draw(): { random: number; chance: number } {
    const { greedy, chance } = this.settings
    return { random: greedy ? 0 : this.random.uniform(), chance: chance ? this.random.uniform() : 0 }
  }

  /**
   * The next token's id. Does not accept it. A token that a constraint refuses is drawn again from those that it allows,
   * by the same random numbers; undefined where it allows none.
   * @param logits [vocabulary], left as they are; NumericError unless all are finite
   */
  sample(logits: Float32Array): number
  sample(logits: Float32Array, constraint: Constraint | undefined): number | undefined
  sample(logits: Float32Array, constraint?: Constraint): number | undefined {
    const numbers = this.draw()
    let id = this.choose(logits, numbers)
    if (constraint && !constraint.allows(id)) {
      const mask = constraint.mask()
      if (mask.every((word) => word === 0)) return undefined
      id = this.choose(logits, numbers, mask)
      if (!hasBit(mask, id) || this.banned.has(id)) return undefined
    }
    this.feedback?.drawn(this.candidates, this.chosen)
    return id
  }

  private choose(
    logits: Float32Array,
    { random, chance }: { random: number; chance: number },
    mask?: Uint32Array,
  ): number {
    const { settings, breakers, tokens, counts } = this
    if (this.plain && !mask && logits.length === this.vocabularySize) {
      const best = bestOf(logits)
      if (!this.banned.has(best)) return best
    }
    const { candidates } = this
    candidates.load(logits)
    if (mask) candidates.restrict(mask)
    const inputs: ChainInputs = { counts: () => counts, tokens, breakers, chance }
    runChain(candidates, settings.first, inputs)
    // One pass, and the lowest id among equals: nothing has moved yet.
    if (settings.greedy) return candidates.best()
    runChain(candidates, settings.cuts, inputs)
    this.feedback?.apply(candidates)
    const { weights: w, sum } = weights(candidates)
    const target = sum * random
    let running = 0
    for (let i = 0; i < candidates.size; i++) {
      if (w[i] === 0) continue
      this.chosen = i
      running += w[i]!
      if (running > target) break
    }
    return candidates.ids[this.chosen]!
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
    this.tokens = []
    this.counts.clear()
    this.random.seed(this.seed)
    this.feedback?.reset()
  }
}

function penalizes({ last_n, repeat, frequency, presence }: SamplerSettings['penalties']): boolean {
  return last_n !== 0 && (repeat !== 1 || frequency !== 0 || presence !== 0)
}
