/**
 * The clients that programs have, unmodified: OpenAI's, Anthropic's and the Vercel AI SDK's, against `cria serve` in each runtime that has
 * it, and against the handler in workerd.
 */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { load, type Model } from 'cria'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SMOLLM, STORIES } from '../api-helpers.ts'
import { CLI } from '../cli-helpers.ts'
import { tool, toolTest } from '../package-home.ts'
import { type Started, start } from '../runtimes/process.ts'
import { LISTENS, startWorker } from '../runtimes/workerd.ts'
import { hasShared } from '../shared.ts'

const CHAT_MODEL = hasShared ? SMOLLM : STORIES
const NAME = 'a model'
/** Of tokens, whatever the model was trained with. */
const CONTEXT = 2048
const OVERRIDES = { 'llama.context_length': CONTEXT }
const KEY = 'a key'
const MESSAGES = [
  { role: 'system', content: 'You are terse.' },
  { role: 'user', content: 'Name a colour.' },
]
/** ChatML, with tools. */
const TEMPLATE = `{%- if tools %}<|im_start|>system
Tools: {{ tools|tojson }}<|im_end|>
{% endif %}{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for t in m.tool_calls or [] %}
<tool_call>
{"name": {{ t.function.name|tojson }}, "arguments": {{ t.function.arguments|tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`
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
  const model = ['-m', CHAT_MODEL, '--alias', NAME, '-t', '2', '-c', `${CONTEXT}`, '--chat-template', TEMPLATE]
  const flags = [
    'serve',
    ...model,
    '--override-kv',
    `llama.context_length=int:${CONTEXT}`,
    '--port',
    '0',
    '--api-key',
    KEY,
  ]
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
      template: ${JSON.stringify(TEMPLATE)},
      onRequest: ({ path, status }) => console.log(path + ' ' + status + ' in workerd'),
    }
    const loading = { wasm, context: ${CONTEXT}, kv: 'f16', overrides: ${JSON.stringify(OVERRIDES)} }
    handler ??= load(env.MODEL, loading).then((model) => createHandler({ '${NAME}': model }, options))
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
  return service(startWorker(folder), LISTENS, ([, port]) => `http://127.0.0.1:${port}/v1`)
}

interface Reference {
  chat: string
  completion: string
  embeddings: Float32Array[]
}

/** What the model says by itself, to compare with. */
async function reference(path: string): Promise<Reference & { model: Model }> {
  const model = await load(path, { threads: 2, context: CONTEXT, overrides: OVERRIDES, onWarning: () => {} })
  const options = { temperature: 0, maxTokens: 12 }
  const { text: chat } = await model.chat(MESSAGES, { ...options, template: TEMPLATE }).result()
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
  const common = { model: NAME, temperature: 1, seed: 4, max_tokens: 900, messages: MESSAGES }
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
    maxOutputTokens: 900,
    maxRetries: 0,
  })
  assert.equal(object, llama.parse(object))
}

/** The Responses API, by OpenAI's client. */
async function checkResponses({ url }: Service, expected: Reference): Promise<void> {
  const openai = await client(url)
  const common = { model: NAME, temperature: 0, max_output_tokens: 12 }
  const [system, user] = MESSAGES
  const input = [user]
  const instructions = system!.content
  const response = await openai.responses.create({ ...common, input, instructions })
  assert.is(response.output_text, expected.chat)
  const stream = openai.responses.stream({ ...common, input, instructions })
  let text = ''
  for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
  const streamed = await stream.finalResponse()
  assert.equal([text, streamed.output_text, streamed.status], [expected.chat, expected.chat, response.status])
  const next = { ...common, input: 'Another.', max_output_tokens: 4 }
  const after = await openai.responses.create({ ...next, previous_response_id: response.id })
  const turns = [...input, ...response.output, { role: 'user', content: 'Another.' }]
  assert.is((await openai.responses.create({ ...next, input: turns })).output_text, after.output_text)
  assert.is((await openai.responses.retrieve(after.id)).previous_response_id, response.id)
  const items = (await openai.responses.inputItems.list(after.id, { order: 'asc' })).data
  assert.equal(
    items.map(({ role }: { role: string }) => role),
    ['user', 'assistant', 'user'],
  )
  await openai.responses.delete(after.id)
  const [{ z }, { zodTextFormat }] = await Promise.all([
    import(tool('zod/index.js')),
    import(tool('openai/helpers/zod.mjs')),
  ])
  const llama = z.object({ age: z.number().int().min(1).max(30), wool: z.enum(['white', 'brown']) })
  const format = zodTextFormat(llama, 'llama')
  const parsed = await openai.responses.parse({ ...common, input, text: { format }, max_output_tokens: 200 })
  assert.equal(parsed.output_parsed, llama.parse(JSON.parse(parsed.output_text)))
}

/** The Messages API, by Anthropic's client. */
async function checkAnthropic({ url }: Service, expected: Reference): Promise<void> {
  const { default: Anthropic } = await import(tool('@anthropic-ai/sdk/index.mjs'))
  const options = { baseURL: url.replace(/\/v1$/, ''), maxRetries: 0 }
  const anthropic = new Anthropic({ ...options, apiKey: KEY })
  const [system, user] = MESSAGES
  const request = { model: NAME, max_tokens: 12, temperature: 0, system: system!.content, messages: [user] }
  const message = await anthropic.messages.create(request)
  assert.equal(message.content, [{ type: 'text', text: expected.chat }])
  const stream = anthropic.messages.stream(request)
  let text = ''
  stream.on('text', (piece: string) => {
    text += piece
  })
  const streamed = await stream.finalMessage()
  assert.equal([text, streamed.content, streamed.stop_reason], [expected.chat, message.content, message.stop_reason])
  const { max_tokens: _, temperature: __, ...prompt } = request
  const { input_tokens: count } = await anthropic.messages.countTokens(prompt)
  assert.is(count, streamed.usage.input_tokens + streamed.usage.cache_read_input_tokens)
  const stranger = new Anthropic({ ...options, apiKey: 'another key' })
  for (const [name, type, work] of [
    ['BadRequestError', 'invalid_request_error', () => anthropic.messages.create({ ...request, wizardry: 1 })],
    ['AuthenticationError', 'authentication_error', () => stranger.messages.create(request)],
  ] as const) {
    const error = await work().catch((thrown: unknown) => thrown)
    assert.equal([error.constructor.name, error.type], [name, type])
  }
}

const WEATHER = { description: 'The weather of a city.', name: 'get_weather' }
const DAYS = { type: 'integer', minimum: 1, maximum: 9 }
const PARAMETERS = {
  type: 'object',
  properties: { city: { enum: ['Brest', 'Paris'] }, days: DAYS },
  required: ['city', 'days'],
  additionalProperties: false,
}
interface Weather {
  city: string
  days: number
}
/** Each call has to come, but for what it says. */
const CALLING = { model: NAME, temperature: 1, max_tokens: 900, parallel_tool_calls: false, tool_choice: 'required' }
const QUESTION = { role: 'user', content: 'What is the weather in Brest?' }

/** Tools that run, streams of calls, and both with the AI SDK. */
async function checkTools({ url }: Service): Promise<void> {
  const [{ z }, { zodFunction }] = await Promise.all([
    import(tool('zod/index.js')),
    import(tool('openai/helpers/zod.mjs')),
  ])
  const parameters = z.object({ city: z.enum(['Brest', 'Paris']), days: z.number().int().min(1).max(9) })
  const weathers: Weather[] = []
  const tellWeather = (asked: Weather): object => {
    weathers.push(parameters.parse(asked))
    return { sky: 'clear' }
  }
  const plainTool = {
    type: 'function',
    function: { ...WEATHER, parameters: PARAMETERS, parse: JSON.parse, function: tellWeather },
  }
  const zodTool = zodFunction({ ...WEATHER, parameters, function: tellWeather })
  const openai = await client(url)
  for (const stream of [false, true]) {
    for (const [seed, each] of [plainTool, zodTool].entries()) {
      const body = { ...CALLING, stream, seed, messages: [QUESTION], tools: [each] }
      weathers.length = 0
      const runner = openai.chat.completions.runTools(body, { maxChatCompletions: 2 })
      await runner.done()
      const roles = runner.messages.map(({ role }: { role: string }) => role)
      assert.equal(roles, ['user', 'assistant', 'tool', 'assistant', 'tool'])
      assert.is(await runner.finalFunctionToolCallResult(), '{"sky":"clear"}')
      assert.equal(JSON.parse((await runner.finalFunctionToolCall()).arguments), weathers.at(-1))
      assert.is(weathers.length, 2)
      const { choices } = await openai.chat.completions.create({
        ...CALLING,
        messages: runner.messages,
        tools: [{ type: 'function', function: { ...WEATHER, parameters: PARAMETERS } }],
        tool_choice: 'none',
        max_tokens: 4,
      })
      assert.is(choices[0].message.tool_calls, undefined)
      assert.type(choices[0].message.content, 'string')
    }
  }
  const one = openai.chat.completions.runTools({
    ...CALLING,
    messages: [QUESTION],
    tools: [plainTool],
    tool_choice: { type: 'function', function: { name: WEATHER.name } },
  })
  await one.done()
  assert.is(one.messages.length, 3)
  await checkStreamedCalls(openai, zodTool, parameters)
  await checkToolsOfAiSdk(url, parameters, tellWeather)
}

async function checkStreamedCalls(openai: Client, tool: object, parameters: Client): Promise<void> {
  const body = { ...CALLING, messages: [QUESTION], tools: [tool], seed: 6 }
  const stream = openai.chat.completions.stream({ ...body, stream_options: { include_usage: true } })
  const written: string[] = []
  const done: Weather[] = []
  type Part = { index: number; arguments_delta: string }
  stream.on('tool_calls.function.arguments.delta', ({ index, arguments_delta: part }: Part) => {
    written[index] = (written[index] ?? '') + part
  })
  stream.on('tool_calls.function.arguments.done', (call: { parsed_arguments: Weather }) => {
    done.push(call.parsed_arguments)
  })
  const { choices, usage } = await stream.finalChatCompletion()
  const [{ message, finish_reason: reason }] = choices
  assert.is(reason, 'tool_calls')
  assert.is(message.content, null)
  assert.ok(usage.completion_tokens > 0)
  const calls: { id: string; function: { arguments: string; parsed_arguments: Weather } }[] = message.tool_calls
  assert.ok(calls.length > 0)
  assert.is(new Set(calls.map(({ id }) => id)).size, calls.length)
  assert.equal(
    calls.map((call) => call.function.arguments),
    written,
  )
  assert.equal(
    calls.map((call) => call.function.parsed_arguments),
    done,
  )
  for (const asked of done) assert.equal(parameters.parse(asked), asked)
  const whole = await openai.chat.completions.parse(body)
  assert.equal(
    whole.choices[0].message.tool_calls.map((call: (typeof calls)[0]) => call.function.parsed_arguments),
    done,
  )
}

async function checkToolsOfAiSdk(
  url: string,
  inputSchema: Client,
  tellWeather: (asked: Weather) => object,
): Promise<void> {
  const { createOpenAICompatible } = await import(tool('@ai-sdk/openai-compatible/dist/index.mjs'))
  const { generateText, stepCountIs, streamText } = await import(tool('ai/dist/index.mjs'))
  const provider = createOpenAICompatible({ name: 'cria', baseURL: url, apiKey: KEY, includeUsage: true })
  const { description, name } = WEATHER
  const options = {
    model: provider(NAME),
    prompt: QUESTION.content,
    tools: { [name]: { description, inputSchema, execute: tellWeather } },
    // An answer comes after the call.
    prepareStep: ({ stepNumber }: { stepNumber: number }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
    stopWhen: stepCountIs(3),
    seed: 3,
    maxOutputTokens: 400,
    maxRetries: 0,
    stopSequences: ['.'],
    providerOptions: { cria: { parallel_tool_calls: false } },
  }
  type Step = {
    toolCalls: { toolName: string; input: Weather }[]
    toolResults: { output: object }[]
    finishReason: string
  }
  const check = (steps: Step[], text: string): void => {
    assert.is(steps.length, 2)
    const [{ toolCalls, toolResults, finishReason }] = steps as [Step]
    assert.is(finishReason, 'tool-calls')
    assert.equal(
      toolCalls.map(({ toolName, input }) => [toolName, inputSchema.parse(input)]),
      toolCalls.map(({ input }) => [name, input]),
    )
    assert.is(toolCalls.length, 1)
    assert.equal(toolResults[0]!.output, { sky: 'clear' })
    assert.type(text, 'string')
  }
  const whole = await generateText(options)
  check(whole.steps, whole.text)
  const streamed = streamText(options)
  const kinds = new Set<string>()
  for await (const { type, error } of streamed.fullStream) {
    assert.is(error, undefined)
    kinds.add(type)
  }
  for (const kind of ['tool-input-start', 'tool-input-delta', 'tool-call', 'tool-result'])
    assert.ok(kinds.has(kind), kind)
  check(await streamed.steps, await streamed.text)
  const [one, two] = [whole.steps, await streamed.steps].map((steps: Step[]) => steps[0]!.toolCalls[0]!.input)
  assert.equal(one, two)
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
  toolTest(`${name}: the clients of OpenAI and Anthropic, and the AI SDK`, path, async () => {
    const service = await open()
    try {
      await checkOpenAi(name, service, references.get(model)!)
      await checkAiSdk(service, references.get(model)!)
      await checkStructured(service)
      await checkResponses(service, references.get(model)!)
      await checkAnthropic(service, references.get(model)!)
      await checkTools(service)
    } finally {
      await service.end()
    }
  })
}

test.after(async () => {
  for (const { model } of references.values()) await model.close()
})

test.run()
