/** Answers of both generating endpoints: whole, or as a stream of chunks. */
import type { GenerateResult } from '../api/types.ts'
import type { ApiError } from './errors.ts'
import { type EventStream, eventStream } from './events.ts'
import { type ChoiceRequest, type Piece, runChoices } from './run.ts'

/** What to run for a request, and how its endpoint answers. */
export interface Served {
  choices: ChoiceRequest[]
  /** Choices that run at once. */
  parallel: number
  /** What must be there before the first choice begins. */
  prepare?(signal: AbortSignal): Promise<void>
  /** Of a stream: what comes before the first piece of a choice. */
  opening(index: number): object[]
  piece(piece: Piece): object[]
  chunk(choices: object[], rest?: object): object
  whole(results: GenerateResult[]): object
  usage(results: GenerateResult[]): object
}

export async function answerWhole(
  served: Served,
  signal: AbortSignal,
): Promise<{ answer: object; results: GenerateResult[] }> {
  await served.prepare?.(signal)
  const results = await runChoices(served.choices, served.parallel, signal, async () => {})
  return { answer: served.whole(results), results }
}

export interface AnswerStreamOptions {
  signal: AbortSignal
  includeUsage: boolean
  /** Runs the work when its turn comes. */
  enter(work: () => Promise<void>): Promise<void>
  onResults(results: GenerateResult[]): void
  left(): void
  toError(error: unknown): ApiError
}

export function answerStream(served: Served, options: AnswerStreamOptions): Promise<EventStream> {
  const { signal, includeUsage, enter, onResults, left, toError } = options
  // Where usage comes at the end, all other chunks have it as null.
  const rest = includeUsage ? { usage: null } : {}
  return eventStream(
    (send) =>
      enter(async () => {
        await served.prepare?.(signal)
        const opened = new Set<number>()
        const results = await runChoices(served.choices, served.parallel, signal, async (piece) => {
          const choices = opened.has(piece.index) ? [] : served.opening(piece.index)
          opened.add(piece.index)
          for (const choice of [...choices, ...served.piece(piece)]) await send(served.chunk([choice], rest))
        })
        if (includeUsage) await send(served.chunk([], { usage: served.usage(results) }))
        onResults(results)
      }),
    { signal, left, toError },
  )
}
