/** What the answers of OpenAI's two generating endpoints have in common: their heads, and the chunks of a stream. */
import type { GenerateResult } from '../api/types.ts'
import type { GenerationBody } from './generation-fields.ts'
import type { Served } from './serve.ts'
import { type Measured, measuredOf, promptProgress, timingsOf } from './timings.ts'
import { FINGERPRINT, usageOf } from './usage.ts'

export class Chunks {
  /** Where usage comes at the end, all other chunks have it as null. */
  private readonly rest: object
  private readonly includeUsage: boolean

  constructor(
    private readonly head: object,
    private readonly body: GenerationBody,
    private readonly n: number,
  ) {
    this.includeUsage = body.stream_options?.include_usage ?? false
    this.rest = this.includeUsage ? { usage: null } : {}
  }

  chunk(choices: object[], more: object = {}): object {
    return { ...this.head, system_fingerprint: FINGERPRINT, choices, ...this.rest, ...more }
  }

  /** What chunks of a choice tell beside it: at the end, and before it where every chunk should. */
  timings(measured: Measured, result: GenerateResult | undefined): object {
    if (!result && !this.body.timings_per_token) return {}
    return { timings: timingsOf(result ? measuredOf(result) : measured) }
  }

  /** `choice`: without anything in it. */
  progress(choice: object, measured: Measured): object {
    return this.chunk([choice], { prompt_progress: promptProgress(measured), ...this.timings(measured, undefined) })
  }

  ending(results: GenerateResult[]): object[] {
    if (!this.includeUsage) return []
    const [first] = results
    const usage = usageOf(results, this.n)
    return [{ ...this.chunk([]), usage, ...(first && { timings: timingsOf(measuredOf(first)) }) }]
  }

  whole(object: string, choices: object[], results: GenerateResult[], more: object): object {
    const [first] = results
    return {
      ...this.head,
      object,
      system_fingerprint: FINGERPRINT,
      choices,
      usage: usageOf(results, this.n),
      ...(first && { timings: timingsOf(measuredOf(first)) }),
      ...more,
    }
  }
}

/** The parts of {@link Served} that follow from these. */
export function chunked(chunks: Chunks, returnProgress: boolean, blank: (index: number) => object) {
  return {
    ...(returnProgress && {
      progress: (index: number, measured: Measured) => [chunks.progress(blank(index), measured)],
    }),
    ending: (results: GenerateResult[]) => chunks.ending(results),
    format: { end: '[DONE]' },
  } satisfies Partial<Served>
}
