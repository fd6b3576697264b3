/** llama-bench's tests, run on a loaded model. Source: llama.cpp, tools/llama-bench. */
import type { Model } from '../api/types.ts'
import { Random } from '../sampler/random.ts'

/**
 * `prompt` tokens are read in batches, then `generate` single tokens; one of them may be 0. At depth d all this follows
 * d tokens that do not count.
 */
export interface Test {
  readonly prompt: number
  readonly generate: number
  readonly depth: number
}

/** `pp128`, `tg32`, `pp512+tg128`, `pp512 @ d4096`. */
export function testName({ prompt, generate, depth }: Test): string {
  const parts = [prompt > 0 && `pp${prompt}`, generate > 0 && `tg${generate}`].filter(Boolean)
  return parts.join('+') + (depth > 0 ? ` @ d${depth}` : '')
}

/** Positions of the context that a test fills. */
export function testContext({ prompt, generate, depth }: Test): number {
  return depth + Math.max(prompt, 1) + generate
}

/** Runs tests on one model. */
export class Bench {
  private readonly random = new Random(1)
  /** Counts runs: the first token of each differs from that of the run before, so that only the depth is cached. */
  private runs = 0

  constructor(
    private readonly model: Model,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * A run that warms up, then `repetitions` that count. Tokens are random.
   * @returns the nanoseconds that each took.
   * @throws the errors of generate
   */
  async measure(test: Test, repetitions: number): Promise<number[]> {
    const deep = this.depthIds(test.depth)
    if (deep.length > 0) await this.model.generate(deep, { maxTokens: 0, signal: this.signal }).result()
    const samples: number[] = []
    for (let i = -1; i < repetitions; i++) {
      const nanoseconds = await this.run(test, deep)
      if (i >= 0) samples.push(nanoseconds)
    }
    return samples
  }

  /**
   * One generation has one more output than single-token passes, the one that follows the prompt. llama-bench computes
   * that of the prompt too; where there is no prompt the first of the single tokens is given as one.
   */
  private async run({ prompt, generate, depth }: Test, deep: readonly number[]): Promise<number> {
    const ids = [...deep, ...this.ids(Math.max(prompt, 1))]
    const maxTokens = prompt > 0 ? generate + 1 : generate
    const options = { temperature: 0, maxTokens, ignoreEos: true, signal: this.signal }
    const { timings, cachedTokens, completionTokens } = await this.model.generate(ids, options).result()
    if (cachedTokens !== depth || completionTokens !== maxTokens) {
      throw new Error(
        `The run found ${cachedTokens} tokens cached and generated ${completionTokens}: not what it is for.`,
      )
    }
    return Math.round((timings.prompt + timings.generate) * 1e6)
  }

  private ids(count: number): number[] {
    const { vocabularySize } = this.model.info
    const first = this.runs++ % vocabularySize
    return Array.from({ length: count }, (_, i) => (i === 0 ? first : this.random.next() % vocabularySize))
  }

  /** Always the same, so that depths share what is cached. */
  private depthIds(depth: number): number[] {
    const random = new Random(2)
    return Array.from({ length: depth }, () => random.next() % this.model.info.vocabularySize)
  }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Of a sample; 0 for a single value. */
export function standardDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0
  const centre = mean(values)
  const squares = values.reduce((sum, value) => sum + (value - centre) * (value - centre), 0)
  return Math.sqrt(squares / (values.length - 1))
}
