/** The generations behind one request: several choices of one or more prompts, side by side. */
import type { ChatDelta, GenerateOptions, GenerateResult, Generation, SampledLogprobs } from '../api/types.ts'
import { atMost } from '../util/concurrency.ts'
import { PromptTimer } from './timings.ts'

/** What a model is asked for one choice. */
export interface ChoiceRequest {
  start(options: GenerateOptions): Generation
  options: GenerateOptions
  /** Whether a token ends generation: it is no part of the output. */
  isEnd(id: number): boolean
}

export interface Piece {
  index: number
  /** Of the content. */
  text: string
  /** A part of a chat's answer: its content, its reasoning or a call. */
  delta?: ChatDelta
  /** Of the tokens that it is made of. */
  ids: number[]
  /** Where they were asked for. */
  logprobs: SampledLogprobs[]
  progress: PromptTimer
  /** With the last piece, whose text is empty. */
  result?: GenerateResult
}

/** Hears of choices beside their pieces. */
export interface Listener {
  /** The prompt of a choice is being read: the first call says how much of it was cached. */
  onProgress?(index: number, progress: PromptTimer): void
  /** `result`: where it did not fail. */
  onEnd?(index: number, result: GenerateResult | undefined): void
}

/**
 * Runs all choices, at most `most` at a time; `onPiece` gets their pieces as they come, and is waited for. When one fails the
 * others are aborted. Resolves to the results, in order.
 */
export async function runChoices(
  choices: readonly ChoiceRequest[],
  most: number,
  signal: AbortSignal,
  onPiece: (piece: Piece) => Promise<void>,
  listener: Listener = {},
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
      runChoice(choice, index, controllers[index]!.signal, onPiece, listener)
        .catch(end)
        .then((result) => {
          listener.onEnd?.(index, result ?? undefined)
          return result
        }),
    )
    if (failure) throw (failure as { reason: unknown }).reason
    return results as GenerateResult[]
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function runChoice(
  { start, options, isEnd }: ChoiceRequest,
  index: number,
  signal: AbortSignal,
  onPiece: (piece: Piece) => Promise<void>,
  listener: Listener,
): Promise<GenerateResult> {
  type Token = { id: number; logprobs?: SampledLogprobs }
  /** Of each part of the output that no one has taken yet. */
  const pending: Token[][] = []
  /** Since the last part. */
  const heard: Token[] = []
  const progress = new PromptTimer()
  const onPrompt: GenerateOptions['onPrompt'] = ({ done, total }) => {
    if (progress.prompt(done, total)) listener.onProgress?.(index, progress)
  }
  const onToken: GenerateOptions['onToken'] = ({ id, text, logprobs }) => {
    progress.token()
    if (text !== '' || !isEnd(id)) heard.push({ id, ...(logprobs && { logprobs }) })
  }
  const onDelta = (): void => void pending.push(heard.splice(0))
  const tell = (delta: ChatDelta, tokens: readonly Token[], result?: GenerateResult): Promise<void> =>
    onPiece({
      index,
      text: delta.content ?? '',
      ...(!result && { delta }),
      ids: tokens.map(({ id }) => id),
      logprobs: tokens.flatMap(({ logprobs }) => logprobs ?? []),
      progress,
      ...(result && { result }),
    })
  const generation = start({ ...options, signal, onPrompt, onToken, onDelta })
  for await (const delta of generation.deltas()) await tell(delta, pending.shift()!)
  const result = await generation.result()
  await tell({}, heard.splice(0), result)
  return result
}

function endsByToken({ finishReason, stop }: GenerateResult): boolean {
  return finishReason === 'stop' && stop === undefined
}

/** The logprobs of the tokens that the text is made of. */
export function textLogprobs(result: GenerateResult): SampledLogprobs[] {
  return (result.logprobs ?? []).slice(0, endsByToken(result) ? -1 : undefined)
}
