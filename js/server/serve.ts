/** Answers of the generating endpoints: whole, or as a stream of events. */
import type { GenerateResult } from '../api/types.ts'
import type { ApiError } from './errors.ts'
import { type EventFormat, type EventStream, eventStream, type Sender } from './events.ts'
import { type ChoiceRequest, type Listener, type Piece, runChoices } from './run.ts'
import type { Measured } from './timings.ts'

/** What to run for a request, and how its endpoint answers. */
export interface Served {
  choices: (ChoiceRequest & { promptIds(): readonly number[] })[]
  /** Choices that run at once. */
  parallel: number
  /** What must be there before the first choice begins. */
  prepare?(signal: AbortSignal): Promise<void>
  /** Events of a stream: before the first piece of a choice, of a piece, of the prompt's progress, at the end. */
  opening(index: number, measured: Measured): object[]
  piece(piece: Piece): object[]
  progress?(index: number, measured: Measured): object[]
  ending(results: GenerateResult[]): object[]
  /** Gets the pieces of an answer that is no stream. */
  hear?(piece: Piece): void
  whole(results: GenerateResult[]): object
  format?: EventFormat
}

export async function answerWhole(
  served: Served,
  signal: AbortSignal,
  listener: Listener,
): Promise<{ answer: object; results: GenerateResult[] }> {
  await served.prepare?.(signal)
  const hear = async (piece: Piece): Promise<void> => served.hear?.(piece)
  const results = await runChoices(served.choices, served.parallel, signal, hear, listener)
  return { answer: served.whole(results), results }
}

export interface AnswerStreamOptions {
  signal: AbortSignal
  pingInterval: number
  listener: Listener
  /** Runs the work when its turn comes. */
  enter(work: () => Promise<void>, onWait: () => void): Promise<void>
  onResults(results: GenerateResult[]): void
  left(): void
  toError(error: unknown): ApiError
}

export function answerStream(served: Served, options: AnswerStreamOptions): Promise<EventStream> {
  const { signal, pingInterval, enter, left, toError } = options
  return eventStream((sender) => enter(() => streamChoices(served, sender, options), sender.open), {
    signal,
    pingInterval,
    left,
    toError,
    format: served.format,
  })
}

async function streamChoices(
  served: Served,
  { send, open }: Sender,
  { signal, listener, onResults }: AnswerStreamOptions,
): Promise<void> {
  await served.prepare?.(signal)
  const opened = new Set<number>()
  const onPiece = async (piece: Piece): Promise<void> => {
    const first = opened.has(piece.index) ? [] : served.opening(piece.index, piece.progress)
    opened.add(piece.index)
    for (const event of [...first, ...served.piece(piece)]) await send(event)
  }
  const results = await runChoices(served.choices, served.parallel, signal, onPiece, {
    onEnd: (index, result) => listener.onEnd?.(index, result),
    onProgress: (index, progress) => {
      listener.onProgress?.(index, progress)
      const events = served.progress?.(index, progress) ?? []
      // Who does not read is waited for at the first piece.
      for (const event of events) send(event).catch(() => {})
      if (events.length === 0) open()
    },
  })
  for (const event of served.ending(results)) await send(event)
  onResults(results)
}
