/** The server that the page came from, by OpenAI's API. */
import { ALTERNATIVES, type AnswerEnd, type AnswerRequest, type Backend, samplingOf, textOf } from './backend.ts'
import type { TokenChoice } from './conversation.ts'

/** The server's word for each of cria's options. */
const FIELDS: Readonly<Record<string, string>> = {
  temperature: 'temperature',
  topK: 'top_k',
  topP: 'top_p',
  minP: 'min_p',
  repeatPenalty: 'repeat_penalty',
  maxTokens: 'max_tokens',
  seed: 'seed',
}

interface Chunk {
  choices?: {
    text?: string
    delta?: { content?: string | null; reasoning_content?: string | null }
    finish_reason?: string | null
    logprobs?: { content?: Logprob[] } | null
  }[]
  usage?: { prompt_tokens: number; completion_tokens: number } | null
  timings?: { predicted_per_second: number }
  error?: { message: string }
}
interface Logprob {
  token: string
  logprob: number
  top_logprobs: { token: string; logprob: number }[]
}

/** The server wants a key, or another one. */
export class KeyError extends Error {}

/**
 * @param chats whether its model has a chat template
 * @throws KeyError, Error where it does not answer
 */
export async function serverBackend(key: string, chats: boolean): Promise<Backend> {
  const headers = { ...(key && { authorization: `Bearer ${key}` }) }
  const listed = (await ask('v1/models', { headers }).then((response) => response.json())) as {
    data: { id: string; meta: { n_ctx: number; ftype: string } }[]
  }
  const [model] = listed.data
  if (!model) throw new Error('The server has no model.')
  return {
    name: model.id,
    context: model.meta.n_ctx,
    chats,
    how: `On ${location.host}: ${model.meta.ftype}`,
    answer: (request) => answer(request, headers, model.id, chats),
    close: async () => {},
  }
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(new URL(path, document.baseURI), init)
  if (response.ok) return response
  const { error } = (await response.json().catch(() => ({}))) as { error?: { message?: string } }
  const message = error?.message ?? `The server answered ${response.status}.`
  throw response.status === 401 ? new KeyError(message) : new Error(message)
}

/** The body of a request. */
export function bodyOf(
  { messages, settings }: Pick<AnswerRequest, 'messages' | 'settings'>,
  model: string,
  chats: boolean,
): object {
  const sampling = Object.entries(samplingOf(settings)).map(([name, value]) => [FIELDS[name], value])
  const { reasoning, alternatives } = settings
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...Object.fromEntries(sampling),
    ...(chats ? { messages } : { prompt: textOf(messages) }),
    ...(chats && reasoning !== 'auto' && { chat_template_kwargs: { enable_thinking: reasoning === 'on' } }),
    ...(chats && alternatives && { logprobs: true, top_logprobs: ALTERNATIVES }),
  }
}

async function answer(
  request: AnswerRequest,
  headers: Record<string, string>,
  model: string,
  chats: boolean,
): Promise<AnswerEnd> {
  const { signal, onDelta, onToken } = request
  const response = await ask(chats ? 'v1/chat/completions' : 'v1/completions', {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(bodyOf(request, model, chats)),
    signal,
  })
  let end: AnswerEnd | undefined
  let cut = false
  for await (const data of eventsOf(response.body!)) {
    if (data === '[DONE]') break
    const { choices = [], usage, timings, error } = JSON.parse(data) as Chunk
    if (error) throw new Error(error.message)
    for (const { delta, text, finish_reason: reason, logprobs } of choices) {
      const content = delta?.content ?? text
      const reasoning = delta?.reasoning_content
      if (content || reasoning) {
        onDelta({ ...(content && { content }), ...(reasoning && { reasoning }) })
        // A chunk may hold several tokens; without probabilities nobody says how many.
        if (!logprobs?.content?.length) onToken()
      }
      for (const one of logprobs?.content ?? []) onToken(choiceOf(one))
      cut ||= reason === 'length'
    }
    if (usage) {
      end = {
        promptTokens: usage.prompt_tokens,
        completionTokens: usage.completion_tokens,
        tokensPerSecond: timings?.predicted_per_second ?? 0,
        ...(request.settings.seed !== undefined && { seed: request.settings.seed }),
        cut,
      }
    }
  }
  if (!end) throw new Error('The connection to the server broke off.')
  return end
}

function choiceOf({ token, logprob, top_logprobs: top }: Logprob): TokenChoice {
  const others = top.map((one) => ({ text: one.token, probability: Math.exp(one.logprob) }))
  return { text: token, probability: Math.exp(logprob), others }
}

/** The data of server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let rest = ''
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const lines = (rest + decoder.decode(read.value, { stream: true })).split('\n')
      rest = lines.pop()!
      for (const line of lines) if (line.startsWith('data:')) yield line.slice(5).trim()
    }
  } finally {
    reader.releaseLock()
  }
}
