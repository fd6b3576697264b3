/** How probable the tokens of a prompt are: what `echo` with `logprobs` tells. */
import type { Model, TokenLogprob } from '../api/types.ts'
import { logprobsOf } from '../sampler/logprobs.ts'

type TokenBytes = Pick<TokenLogprob, 'bytes' | 'logprob'>

/** A token of the prompt; the first one has no logprob, as nothing comes before it. */
export interface PromptToken {
  id: number
  bytes: Uint8Array
  logprob: number | null
  top: TokenBytes[] | null
}

/** Tokens whose logits are held at once: [32, vocabulary]. */
const WINDOW = 32

/**
 * @param ids as the model reads the prompt
 * @param count of the most probable tokens to tell at each place
 */
export async function promptLogprobs(
  model: Model,
  ids: readonly number[],
  count: number,
  signal: AbortSignal,
): Promise<PromptToken[]> {
  const bytes = (id: number): Uint8Array => model.tokenBytes(id, { special: true })
  const tokens: PromptToken[] = ids.slice(0, 1).map((id) => ({ id, bytes: bytes(id), logprob: null, top: null }))
  for (let from = 0; from < ids.length - 1; from += WINDOW) {
    const to = Math.min(from + WINDOW, ids.length - 1)
    const { data, shape } = await model.logits(ids.slice(0, to), { from, signal })
    for (let at = from; at < to; at++) {
      const row = data.subarray((at - from) * shape[1], (at - from + 1) * shape[1])
      const [chosen, ...top] = logprobsOf(row, ids[at + 1]!, count).map(([id, logprob]) => ({
        id,
        bytes: bytes(id),
        logprob,
      }))
      tokens.push({ ...chosen!, top })
    }
  }
  return tokens
}
