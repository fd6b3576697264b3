/** The generations behind one request: several choices of one or more prompts, side by side. */
import type { GenerateOptions, GenerateResult, Generation, SampledLogprobs } from '../api.ts'
import { atMost } from './at-most.ts'

/** What a model is asked for one choice. */
export interface Choice {
  start(options: GenerateOptions): Generation
  options: GenerateOptions
}

export interface Piece {
  index: number
  text: string
  /** Of the tokens since the last piece, where they were asked for. */
  logprobs: SampledLogprobs[]
  /** With the last piece, whose text is empty. */
  result?: GenerateResult
}

/**
 * Runs all choices, at most `most` at a time; `onPiece` gets their pieces as they come, and is waited for. When one fails the
 * others are aborted. Resolves to the results, in order.
 */
export async function runChoices(
  choices: readonly Choice[],
  most: number,
  signal: AbortSignal,
  onPiece: (piece: Piece) => Promise<void>,
): Promise<GenerateResult[]> {
  // A signal for each: one for all would have more listeners than Node takes for no leak.
  const controllers = choices.map(() => new AbortController())
  let failure: { reason: unknown } | undefined
  const end = (reason: unknown): void => {
    failure ??= { reason }
    for (const controller of controllers) controller.abort(reason)
  }
  const abort = (): void => end(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    const results = await atMost(most, choices, (choice, index) =>
      // All are waited for; what failed first was the reason for the others to end.
      runChoice(choice, index, controllers[index]!.signal, onPiece).catch(end),
    )
    if (failure) throw (failure as { reason: unknown }).reason
    return results as GenerateResult[]
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function runChoice(
  { start, options }: Choice,
  index: number,
  signal: AbortSignal,
  onPiece: (piece: Piece) => Promise<void>,
): Promise<GenerateResult> {
  let heard: SampledLogprobs[] = []
  const take = (): SampledLogprobs[] => {
    const taken = heard
    heard = []
    return taken
  }
  const onToken: GenerateOptions['onToken'] = ({ logprobs }) => {
    if (logprobs) heard.push(logprobs)
  }
  const generation = start({ ...options, signal, onToken })
  for await (const text of generation) await onPiece({ index, text, logprobs: take() })
  const result = await generation.result()
  const rest = take()
  // The token that ended generation is no part of the text.
  if (endsByToken(result)) rest.pop()
  await onPiece({ index, text: '', logprobs: rest, result })
  return result
}

function endsByToken({ finishReason, stop }: GenerateResult): boolean {
  return finishReason === 'stop' && stop === undefined
}

/** The logprobs of the tokens that the text is made of. */
export function textLogprobs(result: GenerateResult): SampledLogprobs[] {
  return (result.logprobs ?? []).slice(0, endsByToken(result) ? -1 : undefined)
}
