/** `timings` of answers, as llama-server gives them: milliseconds, and tokens a second. */
import type { GenerateResult } from '../api/types.ts'

export interface Measured {
  promptTokens: number
  cachedTokens: number
  /** Prompt tokens known so far, those in the cache among them. */
  processedTokens: number
  promptMs: number
  completionTokens: number
  generateMs: number
}

export function measuredOf({ promptTokens, cachedTokens, completionTokens, timings }: GenerateResult): Measured {
  return {
    promptTokens,
    cachedTokens,
    processedTokens: promptTokens,
    promptMs: timings.prompt,
    completionTokens,
    generateMs: timings.generate,
  }
}

/** The first token comes from the prompt's pass, so it counts for no time of generation. */
export function timingsOf({ cachedTokens, processedTokens, promptMs, completionTokens, generateMs }: Measured): object {
  const read = processedTokens - cachedTokens
  const decoded = Math.max(0, completionTokens - 1)
  return {
    cache_n: cachedTokens,
    prompt_n: read,
    prompt_ms: promptMs,
    prompt_per_token_ms: ratio(promptMs, read),
    prompt_per_second: ratio(1000 * read, promptMs),
    predicted_n: completionTokens,
    predicted_ms: generateMs,
    predicted_per_token_ms: ratio(decoded && generateMs, decoded),
    predicted_per_second: (1000 / (generateMs || Infinity)) * decoded,
  }
}

/** `prompt_progress`. */
export function promptProgress({ promptTokens, cachedTokens, processedTokens, promptMs }: Measured): object {
  return { total: promptTokens, cache: cachedTokens, processed: processedTokens, time_ms: Math.round(promptMs) }
}

function ratio(a: number, b: number): number {
  return b > 0 ? a / b : 0
}

/** How far a choice has come, by the clock of who hears of it. */
export class PromptTimer implements Measured {
  promptTokens = 0
  cachedTokens = 0
  processedTokens = 0
  promptMs = 0
  completionTokens = 0
  generateMs = 0
  private begun: number | undefined
  private prompted = 0

  /** @returns whether it went on: a sequence that was computed again has told of its prompt before */
  prompt(done: number, total: number): boolean {
    const first = this.begun === undefined
    if (first) this.cachedTokens = done
    this.begun ??= performance.now()
    if (!first && done <= this.processedTokens) return false
    this.promptTokens = total
    this.processedTokens = done
    this.promptMs = first ? 0 : performance.now() - this.begun
    return true
  }

  token(): void {
    const now = performance.now()
    if (this.completionTokens === 0) this.prompted = now
    this.completionTokens++
    this.generateMs = now - this.prompted
  }
}
