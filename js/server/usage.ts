/** What requests have in common in their answers. */
import type { GenerateResult, SampledLogprobs, TokenLogprob } from '../api/types.ts'
import { hex } from '../source/hashed.ts'
import type { PromptToken } from './prompt-logprobs.ts'

declare const CRIA_VERSION: string | undefined

/** Of the package; 0 where its sources run. */
export const VERSION = typeof CRIA_VERSION === 'string' ? CRIA_VERSION : '0'

/** The version, which stands for the bits of an answer, in the form of llama-server's builds. */
export const FINGERPRINT = `b${VERSION}-cria`

/** @param n choices of each prompt: a prompt is counted once */
export function usageOf(results: readonly GenerateResult[], n: number): object {
  const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0)
  const prompts = results.filter((_, i) => i % n === 0)
  const prompt = sum(prompts.map(({ promptTokens }) => promptTokens))
  const completion = sum(results.map(({ completionTokens }) => completionTokens))
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(prompts.map(({ cachedTokens }) => cachedTokens)) },
  }
}

/** An id that no other answer has: `chatcmpl-…`. */
export function newId(prefix: string, separator = '-'): string {
  return prefix + separator + crypto.randomUUID().replaceAll('-', '')
}

/** Now, in seconds. */
export function now(): number {
  return Math.floor(Date.now() / 1000)
}

/** OpenAI's form of logprobs in chats. */
export function chatLogprobs(tokens: readonly SampledLogprobs[]): object {
  const entry = ({ text, logprob, bytes }: TokenLogprob) => ({ token: text, logprob, bytes: Array.from(bytes) })
  return { content: tokens.map((token) => ({ ...entry(token), top_logprobs: token.top.map(entry) })), refusal: null }
}

/** The text of a token's bytes, undefined where they are none by themselves. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** As OpenAI writes a token: its text, or `bytes:\xf0\x9f` where it is none by itself. */
function written({ bytes }: Pick<TokenLogprob, 'bytes'>): string {
  return utf8(bytes) ?? `bytes:${hex(bytes, '\\x')}`
}

/** Logprobs by what tokens are, the best first; of several that are the same, the best. */
function topLogprobs(top: PromptToken['top']): object | null {
  const entries = top?.map((token) => [written(token), token.logprob] as const)
  return entries ? Object.fromEntries([...entries, ...entries.reverse()]) : null
}

/** The form of `/v1/completions`: of each token what it is, how probable, and where it begins. */
export function completionLogprobs(tokens: readonly PromptToken[], offsets: readonly number[]): object {
  return {
    tokens: tokens.map(written),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => topLogprobs(top)),
    text_offset: offsets,
  }
}
