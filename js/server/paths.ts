/** Addresses as clients write them: with slashes too many, and those of other services. */

/** `//v1/models/` → `/v1/models`. */
export function normalPath(path: string): string {
  return path.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1')
}

/** What other servers have and this one has not, and what comes closest. */
const ELSEWHERE: readonly [paths: RegExp, instead: string][] = [
  [
    /^\/api\/(chat|generate|tags|embed|embeddings)$/,
    "use OpenAI's /v1/chat/completions, /v1/completions or /v1/models",
  ],
  [/^(\/v1)?\/(rerank|reranking)$/, 'models that rank are not supported'],
  [/^(\/v1)?\/(audio|images|videos)\//, 'models are of text alone'],
  [/^\/lora-adapters$/, 'adapters are not supported'],
]

/** What to do instead, as the end of a sentence. */
export function insteadOf(path: string): string | undefined {
  return ELSEWHERE.find(([paths]) => paths.test(path))?.[1]
}

/** Whether an address is of Anthropic's API, whose errors have a form of their own. */
export function isAnthropic(path: string): boolean {
  return /^(\/v1)?\/messages(\/|$)/.test(path)
}
