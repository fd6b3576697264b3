/** What requests have in common in their answers. */
import type { GenerateResult, SampledLogprobs, TokenLogprob } from '../api.ts'
import type { PromptToken } from './prompt-logprobs.ts'

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
export function newId(prefix: string): string {
  return `${prefix}-${crypto.randomUUID().replaceAll('-', '')}`
}

/** Now, in seconds. */
export function now(): number {
  return Math.floor(Date.now() / 1000)
}

/** OpenAI's form of logprobs in chats. */
export function chatLogprobs(tokens: readonly SampledLogprobs[]): object {
  const told = ({ text, logprob, bytes }: TokenLogprob) => ({ token: text, logprob, bytes: Array.from(bytes) })
  return { content: tokens.map((token) => ({ ...told(token), top_logprobs: token.top.map(told) })), refusal: null }
}

/**
 * The form of `/v1/completions`. `offset`: characters of text before the first of `tokens`, which those of an echoed prompt
 * end at.
 */
export function completionLogprobs(
  tokens: readonly SampledLogprobs[],
  offset: number,
  prompt: readonly PromptToken[] = [],
): object {
  const all: readonly PromptToken[] = [...prompt, ...tokens]
  // What the text does not show of a prompt, BOS and a first space, lies before its beginning.
  let end = offset - prompt.reduce((sum, { text }) => sum + text.length, 0)
  const offsets = all.map(({ text }) => {
    end += text.length
    return Math.max(0, end - text.length)
  })
  return {
    tokens: all.map(({ text }) => text),
    token_logprobs: all.map(({ logprob }) => logprob),
    top_logprobs: all.map(({ top }) => top && Object.fromEntries(top.map(({ text, logprob }) => [text, logprob]))),
    text_offset: offsets,
  }
}
