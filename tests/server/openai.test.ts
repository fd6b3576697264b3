/**
 * The clients that programs have, unmodified: OpenAI's and the Vercel AI SDK's, against `cria serve` in each runtime that has
 * it, and against the handler in workerd.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { load, type Model } from 'cria'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SMOLLM, STORIES } from '../api-helpers.ts'
import { CLI } from '../cli-helpers.ts'
import { tool, toolTest } from '../package-home.ts'
import { type Started, start } from '../runtimes/process.ts'
import { hasShared } from '../shared.ts'

const CHAT_MODEL = hasShared ? SMOLLM : STORIES
const NAME = 'a model'
const KEY = 'a key'
const MESSAGES = [
  { role: 'system', content: 'You are terse.' },
  { role: 'user', content: 'Name a colour.' },
]
const PROMPT = 'Once upon a time'
const EMBEDDED = ['A llama', 'a song']
/** Hours of text. */
const ENDLESS = { ignore_eos: true, max_tokens: 100_000 }

interface Service {
  /** Of the API, /v1 included. */
  url: string
  /** Resolves when its log has told of that. */
  said(pattern: RegExp): Promise<unknown>
  end(): Promise<void>
}

async function serve(program: string, args: readonly string[]): Promise<Service> {
  const flags = ['serve', '-m', CHAT_MODEL, '--alias', NAME, '--port', '0', '--api-key', KEY, '-t', '2', '-c', '1024']
  return service(start(program, [...args, CLI, ...flags]), /at (http:\S+\/v1)\n/)
}

async function service(process: Started, ready: RegExp, url = (match: RegExpExecArray) => match[1]!): Promise<Service> {
  const match = await process.said(ready)
  return { url: url(match), said: (pattern) => process.said(pattern), end: () => process.end() }
}

/** `passed`: what the handler gets of the runtime, beside the request. */
const worker = (passed: string) => `import { load } from 'cria'
import { createHandler } from 'cria/server'
import wasm from 'cria/relaxed.wasm'
let handler
export default {
  async fetch(request, env, context) {
    const options = {
      apiKeys: ['${KEY}'],
      onRequest: ({ path, status }) => console.log(path + ' ' + status + ' in workerd'),
    }
    handler ??= load(env.MODEL, { wasm, context: 512, kv: 'f16' }).then((model) => createHandler({ '${NAME}': model }, options))
    return (await handler)(request${passed})
  },
}`

async function serveInWorkerd(passed: string): Promise<Service> {
  const folder = resolve(`build/server-workerd${passed && '-context'}`)
  mkdirSync(folder, { recursive: true })
  await build({
    stdin: { contents: worker(passed), resolveDir: '.' },
    bundle: true,
    format: 'esm',
    conditions: ['workerd'],
    external: ['cria/*.wasm'],
    outfile: `${folder}/worker.js`,
    logLevel: 'error',
  })
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    compatibilityDate = "2026-01-01",
    modules = [
      (name = "worker.js", esModule = embed "worker.js"),
      (name = "cria/relaxed.wasm", wasm = embed "../../dist/relaxed.wasm"),
    ],
    bindings = [(name = "MODEL", data = embed "../../${STORIES}")],
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);`
  writeFileSync(`${folder}/config.capnp`, config)
  const workerd = start(tool('workerd/bin/workerd'), ['serve', `${folder}/config.capnp`, '--control-fd=1'])
  return service(workerd, /"event":"listen".*?"port":(\d+)/, ([, port]) => `http://127.0.0.1:${port}/v1`)
}

interface Reference {
  chat: string
  completion: string
  embeddings: Float32Array[]
}

/** What the model says by itself, to compare with. */
async function reference(path: string): Promise<Reference & { model: Model }> {
  const model = await load(path, { threads: 2, context: 512, onWarning: () => {} })
  const options = { temperature: 0, maxTokens: 12 }
  const { text: chat } = await model.chat(MESSAGES, options).result()
  const { text: completion } = await model.generate(PROMPT, options).result()
  const { embeddings } = await model.embed(EMBEDDED)
  return { model, chat, completion, embeddings }
}

// Their types come with packages that need not be installed.
type Client = Awaited<ReturnType<typeof client>>
const client = async (url: string, apiKey = KEY) => {
  const { default: OpenAI } = await import(tool('openai/index.mjs'))
  return new OpenAI({ baseURL: url, apiKey, maxRetries: 0 })
}

async function checkOpenAi(name: string, { url, said }: Service, expected: Reference): Promise<void> {
  const openai = await client(url)
  const common = { model: NAME, temperature: 0, max_tokens: 12 }
  const chat = await openai.chat.completions.create({ ...common, messages: MESSAGES, user: 'me', store: false })
  assert.is(chat.choices[0].message.content, expected.chat)
  assert.is(chat.object, 'chat.completion')
  assert.is(chat.usage.total_tokens, chat.usage.prompt_tokens + chat.usage.completion_tokens)

  const stream = await openai.chat.completions.create({
    ...common,
    messages: MESSAGES,
    stream: true,
    stream_options: { include_usage: true },
  })
  let text = ''
  let last: { choices: unknown[]; usage: unknown } | undefined
  const reasons: string[] = []
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    reasons.push(...chunk.choices.map((choice: { finish_reason: string }) => choice.finish_reason).filter(Boolean))
    last = chunk
  }
  assert.is(text, expected.chat)
  assert.equal(reasons, [chat.choices[0].finish_reason])
  const { cached_tokens: cached } = (last!.usage as typeof chat.usage).prompt_tokens_details
  assert.ok(cached > 0, 'the same prompt again is cached')
  assert.equal({ ...(last!.usage as object), prompt_tokens_details: {} }, { ...chat.usage, prompt_tokens_details: {} })

  const several = await openai.chat.completions.create({
    ...common,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    temperature: 1,
    seed: 5,
    n: 3,
    logprobs: true,
    top_logprobs: 2,
    max_tokens: 4,
  })
  assert.equal(
    several.choices.map(({ index }: { index: number }) => index),
    [0, 1, 2],
  )
  assert.ok(new Set(several.choices.map((choice: typeof chat) => choice.message.content)).size > 1, 'choices differ')
  for (const choice of several.choices) {
    const { content } = choice.logprobs
    assert.is(content.map(({ token }: { token: string }) => token).join(''), choice.message.content)
    for (const { logprob, top_logprobs: top } of content) {
      assert.ok(logprob <= 0)
      assert.is(top.length, 2)
      assert.ok(top[0].logprob >= top[1].logprob)
    }
  }

  const { data } = await openai.completions.create({ ...common, prompt: PROMPT, echo: true }).withResponse()
  assert.is(data.choices[0].text, PROMPT + expected.completion)
  const streamed = await openai.completions.create({ ...common, prompt: [PROMPT, 'Hi'], stream: true, logprobs: 1 })
  const texts = ['', '']
  for await (const { choices } of streamed) for (const choice of choices) texts[choice.index] += choice.text
  assert.is(texts[0], expected.completion)

  const { data: embedded, usage } = await openai.embeddings.create({ model: NAME, input: EMBEDDED })
  embedded.forEach(({ embedding }: { embedding: number[] }, i: number) => {
    assert.equal(Float32Array.from(embedding), expected.embeddings[i])
  })
  assert.ok(usage.prompt_tokens > 2 && usage.total_tokens === usage.prompt_tokens)

  const models = await openai.models.list()
  assert.equal(
    models.data.map(({ id }: { id: string }) => id),
    [NAME],
  )
  assert.is((await openai.models.retrieve(NAME)).id, NAME)
  await checkErrors(url, common)

  const endless = await openai.completions.create({ ...common, ...ENDLESS, prompt: 'Hi', stream: true })
  for await (const _ of endless) break
  await said(/v1\/completions 499/)
  // It does not tell of clients that leave before an answer begins.
  if (!name.startsWith('workerd')) await checkAbort(openai, said, common)
  const after = await openai.completions.create({ ...common, prompt: PROMPT })
  assert.is(after.choices[0].text, expected.completion)
}

/** A client that gives an answer up which is no stream. */
async function checkAbort(openai: Client, said: Service['said'], common: object): Promise<void> {
  const leaving = new AbortController()
  const whole = openai.chat.completions.create(
    { ...common, ...ENDLESS, messages: MESSAGES, n: 16 },
    { signal: leaving.signal },
  )
  setTimeout(() => leaving.abort(), 50)
  const aborted = await whole.then(
    () => assert.unreachable(),
    (error: Error) => error,
  )
  assert.is(aborted.constructor.name, 'APIUserAbortError')
  await said(/chat\/completions 499/)
}

async function checkErrors(url: string, common: object): Promise<void> {
  const openai = await client(url)
  const stranger = await client(url, 'another key')
  const ask = (fields: object) => () => openai.chat.completions.create({ ...common, messages: MESSAGES, ...fields })
  const cases: [string, () => Promise<unknown>, number, string | null, string][] = [
    ['BadRequestError', ask({ temperature: 'hot' }), 400, 'temperature', 'invalid_value'],
    ['BadRequestError', ask({ messages: [{ role: 'x', content: '' }] }), 400, 'messages[0].role', 'invalid_value'],
    ['BadRequestError', ask({ tools: [{ type: 'function' }] }), 400, 'tools[0].function', 'missing_required_parameter'],
    [
      'BadRequestError',
      ask({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'text' } } } }),
      400,
      'response_format',
      'schema_syntax',
    ],
    ['BadRequestError', ask({ wizardry: 1 }), 400, 'wizardry', 'unknown_parameter'],
    [
      'BadRequestError',
      ask({ messages: [{ role: 'user', content: 'a b c d '.repeat(2000) }], stream: true }),
      400,
      'messages',
      'context_length_exceeded',
    ],
    ['NotFoundError', () => openai.models.retrieve('another'), 404, 'model', 'model_not_found'],
    ['AuthenticationError', () => stranger.models.list(), 401, null, 'invalid_api_key'],
    [
      'BadRequestError',
      () => openai.embeddings.create({ model: NAME, input: 'x', dimensions: 5 }),
      400,
      'dimensions',
      'unsupported_parameter',
    ],
  ]
  for (const [name, work, status, param, code] of cases) {
    const error = await work().then(
      () => assert.unreachable(`${code} ${param}`),
      (thrown) => thrown,
    )
    assert.equal([error.constructor.name, error.status, error.param, error.code], [name, status, param, code])
    assert.match(error.message, /\w+.*\.$/)
  }
}

async function checkAiSdk({ url }: Service, expected: Reference): Promise<void> {
  const { createOpenAICompatible } = await import(tool('@ai-sdk/openai-compatible/dist/index.mjs'))
  const { embedMany, generateText, streamText } = await import(tool('ai/dist/index.mjs'))
  const provider = createOpenAICompatible({ name: 'cria', baseURL: url, apiKey: KEY, includeUsage: true })
  const [system, user] = MESSAGES
  const options = { temperature: 0, maxOutputTokens: 12, maxRetries: 0, system: system!.content, prompt: user!.content }
  const whole = await generateText({ model: provider(NAME), ...options })
  assert.is(whole.text, expected.chat)
  assert.ok(whole.usage.inputTokens > 0 && whole.usage.outputTokens > 0)
  const streamed = streamText({ model: provider(NAME), ...options })
  let text = ''
  for await (const piece of streamed.textStream) text += piece
  assert.is(text, expected.chat)
  assert.is((await streamed.usage).outputTokens, whole.usage.outputTokens)
  const completion = await generateText({
    model: provider.completionModel(NAME),
    temperature: 0,
    maxOutputTokens: 12,
    prompt: PROMPT,
  })
  assert.ok(completion.text.length > 0)
  const vectors = await embedMany({ model: provider.textEmbeddingModel(NAME), values: EMBEDDED, maxRetries: 0 })
  assert.equal(
    vectors.embeddings.map((vector: number[]) => Float32Array.from(vector)),
    expected.embeddings,
  )
}

/** Answers that fit a schema, as both clients ask for them. */
async function checkStructured({ url }: Service): Promise<void> {
  const [{ z }, { zodResponseFormat }] = await Promise.all([
    import(tool('zod/index.js')),
    import(tool('openai/helpers/zod.mjs')),
  ])
  const llama = z.object({
    name: z.string().max(12),
    age: z.number().int().min(1).max(30),
    wool: z.enum(['white', 'brown']),
  })
  const openai = await client(url)
  const common = { model: NAME, temperature: 1, seed: 4, max_tokens: 200, messages: MESSAGES }
  const { choices } = await openai.chat.completions.parse({
    ...common,
    response_format: zodResponseFormat(llama, 'llama'),
  })
  assert.is(choices[0].finish_reason, 'stop')
  assert.equal(choices[0].message.parsed, llama.parse(JSON.parse(choices[0].message.content)))
  const { createOpenAICompatible } = await import(tool('@ai-sdk/openai-compatible/dist/index.mjs'))
  const { generateObject } = await import(tool('ai/dist/index.mjs'))
  const provider = createOpenAICompatible({ name: 'cria', baseURL: url, apiKey: KEY, supportsStructuredOutputs: true })
  const { object } = await generateObject({
    model: provider(NAME),
    schema: llama,
    prompt: 'A llama?',
    seed: 4,
    maxOutputTokens: 200,
    maxRetries: 0,
  })
  assert.equal(object, llama.parse(object))
}

const SERVICES: [name: string, path: string, model: string, open: () => Promise<Service>][] = [
  ['Node', 'openai/index.mjs', CHAT_MODEL, () => serve(process.execPath, [])],
  ['Deno', 'deno/deno', CHAT_MODEL, () => serve(tool('deno/deno'), ['run', '-A'])],
  ['Bun', 'bun/bin/bun', CHAT_MODEL, () => serve(tool('bun/bin/bun'), [])],
  ['workerd', 'workerd/bin/workerd', STORIES, () => serveInWorkerd(', context')],
  ['workerd, without waitUntil', 'workerd/bin/workerd', STORIES, () => serveInWorkerd('')],
]
const references = new Map<string, Awaited<ReturnType<typeof reference>>>()
for (const path of new Set([CHAT_MODEL, STORIES])) references.set(path, await reference(path))

for (const [name, path, model, open] of SERVICES) {
  toolTest(`${name}: the openai client, and the AI SDK's`, path, async () => {
    const service = await open()
    try {
      await checkOpenAi(name, service, references.get(model)!)
      await checkAiSdk(service, references.get(model)!)
      await checkStructured(service)
    } finally {
      await service.end()
    }
  })
}

test.after(async () => {
  for (const { model } of references.values()) await model.close()
})

test.run()
