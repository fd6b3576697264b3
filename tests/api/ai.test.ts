/** What calls of the AI SDK become, and what becomes of answers: with a model that notes what it is asked and says what it is told. */

import { createProviderRegistry, type EmbeddingModel, type LanguageModel } from 'ai'
import {
  AbortError,
  ArgumentError,
  type ChatDelta,
  type ChatOptions,
  ContextError,
  type GenerateResult,
  type Model,
  UnsupportedError,
  WorkerError,
} from 'cria'
import { createCria } from 'cria/ai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '../../js/ai/specification.ts'
import { fails } from '../api-helpers.ts'

const RESULT: GenerateResult = {
  text: 'Once',
  ids: [1, 2],
  finishReason: 'stop',
  promptTokens: 7,
  cachedTokens: 3,
  completionTokens: 2,
  seed: 4,
  timings: { prompt: 1, generate: 2, promptPerSecond: 3, tokensPerSecond: 4 },
}
const CALL: LanguageModelV4CallOptions = { prompt: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] }

interface Told {
  deltas?: ChatDelta[]
  result?: Partial<GenerateResult>
  /** What the generation ends with, after its deltas. */
  error?: Error
  /** Never ends by itself. */
  endless?: boolean
  template?: string
}

interface Asked {
  messages: unknown
  options: ChatOptions
}

function fakeModel({ deltas = [], result = {}, error, endless = false, template = '' }: Told = {}) {
  const asked: Asked[] = []
  const embedded: unknown[] = []
  let stopped = 0
  const model = {
    info: { name: 'a fake', embeddingLength: 2 },
    chatTemplate: () => template,
    generate: () => assert.unreachable(),
    chat(messages: unknown, options: ChatOptions) {
      asked.push({ messages, options })
      const stop = new Promise<never>((_, reject) => {
        const { signal } = options
        const abort = (): void => {
          stopped++
          reject(new AbortError('Generation', signal!.reason))
        }
        if (signal?.aborted) abort()
        else signal?.addEventListener('abort', abort)
      })
      stop.catch(() => {})
      const end = async (): Promise<GenerateResult> => {
        if (error) throw error
        if (endless) await stop
        return { ...RESULT, ...result }
      }
      return {
        result: end,
        async *deltas() {
          for (const delta of deltas) {
            await Promise.resolve()
            yield delta
          }
          await end()
        },
      }
    },
    async embed(texts: string[], options: object) {
      embedded.push([texts, options])
      return { embeddings: texts.map((text) => Float32Array.of(text.length, 0.5)), tokens: texts.map(() => 2) }
    },
  }
  return { model: model as unknown as Model, asked, embedded, stops: () => stopped }
}

/** The options that a call becomes, and its warnings. */
async function optionsOf(call: object, told: Told = {}) {
  const { model, asked } = fakeModel(told)
  const { warnings } = await createCria(model)().doGenerate({ ...CALL, ...call })
  return { options: asked[0]!.options, warnings }
}

async function messagesOf(prompt: LanguageModelV4CallOptions['prompt']) {
  const { model, asked } = fakeModel()
  await createCria(model)().doGenerate({ prompt })
  return asked[0]!.messages
}

async function read(stream: ReadableStream<LanguageModelV4StreamPart>): Promise<LanguageModelV4StreamPart[]> {
  const parts: LanguageModelV4StreamPart[] = []
  for await (const part of stream as unknown as AsyncIterable<LanguageModelV4StreamPart>) parts.push(part)
  return parts
}

async function partsOf(told: Told, call: object = {}) {
  const { stream } = await createCria(fakeModel(told).model)().doStream({ ...CALL, ...call })
  return read(stream)
}

test('settings go to the options of their meaning; those that are absent to none', async () => {
  assert.equal((await optionsOf({})).options, {})
  const { options, warnings } = await optionsOf({
    maxOutputTokens: 5,
    temperature: 0.5,
    topP: 0.9,
    topK: 3,
    seed: 6,
    stopSequences: ['a', 'b'],
    presencePenalty: 0.1,
    frequencyPenalty: 0.2,
    headers: { 'User-Agent': 'ai/7' },
    providerOptions: { cria: { minP: 0.1, temperature: 0.6 }, openai: { x: 1 } },
  })
  assert.equal(options, {
    maxTokens: 5,
    temperature: 0.6,
    topP: 0.9,
    topK: 3,
    seed: 6,
    stop: ['a', 'b'],
    presencePenalty: 0.1,
    frequencyPenalty: 0.2,
    minP: 0.1,
  })
  assert.equal(warnings, [])
  const { signal } = new AbortController()
  assert.is((await optionsOf({ abortSignal: signal })).options.signal, signal)
})

test('an answer is JSON, or what a schema allows', async () => {
  const of = async (responseFormat: object) => optionsOf({ responseFormat })
  const schema = { type: 'object' }
  assert.equal((await of({ type: 'text' })).options, {})
  assert.equal((await of({ type: 'json' })).options, { json: true })
  const named = await of({ type: 'json', schema, name: 'llama', description: 'a llama' })
  assert.equal(named.options, { schema })
  assert.equal(
    named.warnings.map((warning) => 'feature' in warning && [warning.type, warning.feature]),
    [
      ['unsupported', 'responseFormat.name'],
      ['unsupported', 'responseFormat.description'],
    ],
  )
})

test('tools and their choice; a tool of another provider is left out with a warning', async () => {
  const inputSchema = { type: 'object', properties: {} }
  const tools = [
    { type: 'function', name: 'a', description: 'does a', inputSchema, strict: true },
    { type: 'function', name: 'b', inputSchema, inputExamples: [{ input: {} }], providerOptions: { cria: {} } },
    { type: 'provider', id: 'x.search', name: 'search', args: {} },
  ]
  const { options, warnings } = await optionsOf({ tools, toolChoice: { type: 'tool', toolName: 'b' } })
  assert.equal(options, {
    tools: [
      { type: 'function', function: { name: 'a', description: 'does a', parameters: inputSchema } },
      { type: 'function', function: { name: 'b', parameters: inputSchema } },
    ],
    toolChoice: { name: 'b' },
  })
  assert.equal(
    warnings.map((warning) => 'feature' in warning && warning.feature),
    ['provider-defined tool search', 'inputExamples of the tool b', 'providerOptions.cria of the tool b'],
  )
  for (const type of ['auto', 'none', 'required']) {
    assert.is((await optionsOf({ tools: tools.slice(0, 1), toolChoice: { type } })).options.toolChoice, type)
  }
})

test('levels of reasoning are those of the template', async () => {
  const of = async (reasoning: string, template: string) => {
    const { options, warnings } = await optionsOf({ reasoning }, { template })
    return [options, warnings.map(({ type }) => type)]
  }
  const levels = '{{ reasoning_effort }}'
  assert.equal(await of('provider-default', levels), [{}, []])
  assert.equal(await of('none', levels), [{ reasoning: false }, []])
  const high = { reasoning: true, templateVariables: { reasoning_effort: 'high' } }
  assert.equal(await of('high', levels), [high, []])
  assert.equal(await of('max', levels), [high, ['compatibility']])
  assert.equal(await of('high', ''), [{ reasoning: true }, ['unsupported']])
})

test('provider options that there are not, or that calls have themselves, are refused', async () => {
  for (const cria of [{ topk: 3 }, { signal: null }, { tools: [] }, { toolChoice: 'auto' }, { n: 2 }, 7]) {
    await fails(optionsOf({ providerOptions: { cria } }), ArgumentError, 'INVALID_OPTION')
  }
  const error = await fails(optionsOf({ providerOptions: { cria: { n: 2 } } }), ArgumentError)
  assert.match(error.message, /providerOptions\.cria\.n/)
})

test('headers, of which there is no use, and options of messages are told', async () => {
  const { warnings } = await optionsOf({ headers: { 'x-trace': '1' } })
  assert.is(warnings.length, 1)
  const { model } = fakeModel()
  const prompt = [{ role: 'system' as const, content: 'x', providerOptions: { cria: { cache: true } } }]
  assert.is((await createCria(model)().doGenerate({ prompt })).warnings[0]!.type, 'unsupported')
})

test('a prompt is the messages of a chat: reasoning, calls and their results go back in', async () => {
  const call = (toolCallId: string, input: unknown) => ({ type: 'tool-call', toolCallId, toolName: 'weather', input })
  const result = (toolCallId: string, output: { type: string; value?: unknown; reason?: string }) => ({
    type: 'tool-result',
    toolCallId,
    toolName: 'weather',
    output,
  })
  const messages = await messagesOf([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'Hm' },
        { type: 'reasoning', text: '.' },
        { type: 'text', text: 'Let me' },
        { type: 'text', text: ' see' },
        call('1', { city: 'Brest' }),
        call('2', '{}'),
      ],
    },
    {
      role: 'tool',
      content: [
        result('1', { type: 'json', value: { sky: 'clear' } }),
        result('2', { type: 'text', value: 'rain' }),
        result('3', { type: 'execution-denied', reason: 'No.' }),
        result('4', { type: 'execution-denied' }),
        result('5', { type: 'error-text', value: 'gone' }),
        result('6', { type: 'error-json', value: [1] }),
        result('7', {
          type: 'content',
          value: [
            { type: 'text', text: 'x' },
            { type: 'text', text: 'y' },
          ],
        }),
      ],
    },
  ])
  const called = (id: string, args: string) => ({
    id,
    type: 'function',
    function: { name: 'weather', arguments: args },
  })
  const told = (id: string, content: string) => ({ role: 'tool', tool_call_id: id, name: 'weather', content })
  assert.equal(messages, [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    {
      role: 'assistant',
      content: 'Let me see',
      reasoning_content: 'Hm.',
      tool_calls: [called('1', '{"city":"Brest"}'), called('2', '{}')],
    },
    told('1', '{"sky":"clear"}'),
    told('2', 'rain'),
    told('3', 'No.'),
    told('4', 'The call of the tool was denied.'),
    told('5', 'gone'),
    told('6', '[1]'),
    told('7', 'x\ny'),
  ])
})

test('what a text model cannot read is refused by name, before anything is generated', async () => {
  const file = { type: 'file', mediaType: 'image/png', data: { type: 'data', data: '' } }
  const output = { type: 'content', value: [file] }
  const prompts: LanguageModelV4CallOptions['prompt'][] = [
    [{ role: 'user', content: [{ type: 'text', text: 'x' }, file] }],
    [{ role: 'assistant', content: [file] }],
    [{ role: 'assistant', content: [{ type: 'custom' }] }],
    [{ role: 'tool', content: [{ type: 'tool-result', toolCallId: '1', toolName: 'a', output }] }],
    [{ role: 'tool', content: [{ type: 'tool-approval-response' }] }],
    [{ role: 'tool', content: [{ type: 'tool-result', output: { type: 'hologram' } }] }],
  ]
  for (const prompt of prompts) {
    const { model, asked } = fakeModel()
    const cria = createCria(model)
    await fails(async () => cria().doGenerate({ prompt }), UnsupportedError, 'UNSUPPORTED_PART')
    await fails(async () => cria().doStream({ prompt }), UnsupportedError, 'UNSUPPORTED_PART')
    assert.is(asked.length, 0)
  }
  const error = await fails(messagesOf(prompts[0]!), UnsupportedError)
  assert.match(error.message, /file \(image\/png\)/)
})

test('an answer has its content, its counts and its end', async () => {
  const answer = async (result: Partial<GenerateResult>) => createCria(fakeModel({ result }).model)().doGenerate(CALL)
  assert.equal(await answer({}), {
    content: [{ type: 'text', text: 'Once' }],
    finishReason: { unified: 'stop', raw: 'stop' },
    usage: {
      inputTokens: { total: 7, noCache: 4, cacheRead: 3, cacheWrite: undefined },
      outputTokens: { total: 2, text: 2, reasoning: 0 },
    },
    providerMetadata: { cria: { seed: 4, timings: RESULT.timings } },
    response: { modelId: 'a fake' },
    warnings: [],
  })
  const toolCalls = [{ id: '1', name: 'a', arguments: '{}' }]
  const called = await answer({ text: '', reasoning: 'Hm', toolCalls, finishReason: 'tool_calls' })
  assert.equal(called.content, [
    { type: 'reasoning', text: 'Hm' },
    { type: 'tool-call', toolCallId: '1', toolName: 'a', input: '{}' },
  ])
  assert.equal(called.finishReason, { unified: 'tool-calls', raw: 'tool_calls' })
  assert.equal(called.usage.outputTokens, { total: 2, text: undefined, reasoning: undefined })
  const bytes = Uint8Array.of(65)
  const token = { id: 1, text: 'A', bytes, logprob: -1 }
  const { finishReason, providerMetadata } = await answer({
    finishReason: 'length',
    stop: '.',
    logprobs: [{ ...token, top: [token] }],
  })
  assert.is(finishReason.unified, 'length')
  const known = { id: 1, text: 'A', logprob: -1 }
  assert.equal(providerMetadata.cria, {
    seed: 4,
    timings: RESULT.timings,
    stop: '.',
    logprobs: [{ ...known, top: [known] }],
  })
})

test('a stream has blocks, each begun and ended, and calls piece by piece and whole', async () => {
  const deltas: ChatDelta[] = [
    { reasoning: 'H' },
    { reasoning: 'm' },
    { content: 'A' },
    { content: 'B' },
    { toolCall: { index: 0, id: '1', name: 'a', arguments: '' } },
    { toolCall: { index: 0, arguments: '{"x":' } },
    { toolCall: { index: 0, arguments: '1}' } },
    { toolCall: { index: 1, id: '2', name: 'b', arguments: '{}' } },
    { content: 'C' },
  ]
  const parts = await partsOf({ deltas, result: { finishReason: 'tool_calls' } })
  const [start, metadata, ...rest] = parts
  assert.equal(start, { type: 'stream-start', warnings: [] })
  assert.equal(metadata, { type: 'response-metadata', modelId: 'a fake' })
  const finish = rest.pop()!
  assert.equal(finish.type === 'finish' && finish.finishReason, { unified: 'tool-calls', raw: 'tool_calls' })
  assert.equal(rest, [
    { type: 'reasoning-start', id: '0' },
    { type: 'reasoning-delta', id: '0', delta: 'H' },
    { type: 'reasoning-delta', id: '0', delta: 'm' },
    { type: 'reasoning-end', id: '0' },
    { type: 'text-start', id: '1' },
    { type: 'text-delta', id: '1', delta: 'A' },
    { type: 'text-delta', id: '1', delta: 'B' },
    { type: 'text-end', id: '1' },
    { type: 'tool-input-start', id: '1', toolName: 'a' },
    { type: 'tool-input-delta', id: '1', delta: '{"x":' },
    { type: 'tool-input-delta', id: '1', delta: '1}' },
    { type: 'tool-input-end', id: '1' },
    { type: 'tool-call', toolCallId: '1', toolName: 'a', input: '{"x":1}' },
    { type: 'tool-input-start', id: '2', toolName: 'b' },
    { type: 'tool-input-delta', id: '2', delta: '{}' },
    { type: 'tool-input-end', id: '2' },
    { type: 'tool-call', toolCallId: '2', toolName: 'b', input: '{}' },
    { type: 'text-start', id: '2' },
    { type: 'text-delta', id: '2', delta: 'C' },
    { type: 'text-end', id: '2' },
  ])
  const raw = await partsOf({ deltas: [{ content: 'A' }] }, { includeRawChunks: true })
  assert.equal(
    raw.map(({ type }) => type),
    ['stream-start', 'response-metadata', 'raw', 'text-start', 'text-delta', 'text-end', 'finish'],
  )
  assert.equal(
    (await partsOf({})).map(({ type }) => type),
    ['stream-start', 'response-metadata', 'finish'],
  )
})

test('what fails before the first part rejects; what fails later is a part of the stream', async () => {
  const early = fakeModel({ error: new ContextError('CONTEXT_EXCEEDED', 'The prompt is too long for it.') })
  await fails(async () => createCria(early.model)().doStream(CALL), ContextError)
  await fails(async () => createCria(early.model)().doGenerate(CALL), ContextError)
  const error = new WorkerError('WORKER_DIED', 'A worker has died of it.')
  const parts = await partsOf({ deltas: [{ content: 'A' }], error })
  assert.equal(parts.at(-2), { type: 'error', error })
  const last = parts.at(-1)!
  assert.is(last.type === 'finish' && last.finishReason.unified, 'error')
})

test('an abort ends a call and a stream with AbortError; a stream that is left stops its generation', async () => {
  const aborting = new AbortController()
  const { model, stops } = fakeModel({ deltas: [{ content: 'A' }], endless: true })
  const cria = createCria(model)
  const { stream } = await cria().doStream({ ...CALL, abortSignal: aborting.signal })
  const whole = Promise.resolve(cria().doGenerate({ ...CALL, abortSignal: aborting.signal }))
  const reading = read(stream)
  await Promise.resolve()
  aborting.abort()
  await fails(reading, AbortError)
  await fails(whole, AbortError)
  const left = await cria().doStream(CALL)
  const before = stops()
  await left.stream.cancel()
  assert.is(stops(), before + 1)
  await fails(async () => cria().doGenerate({ ...CALL, abortSignal: AbortSignal.abort() }), AbortError)
})

test('models go by names; one is loaded when it is first used, once, and again where that failed', async () => {
  const { model } = fakeModel()
  let loads = 0
  const cria = createCria({
    here: model,
    later: async () => {
      loads++
      if (loads === 1) throw new RangeError('not yet')
      return model
    },
    coming: Promise.resolve(model),
  })
  const later = cria('later')
  assert.equal([later.specificationVersion, later.provider, later.modelId], ['v4', 'cria', 'later'])
  assert.is(loads, 0)
  assert.instance(await Promise.resolve(later.doGenerate(CALL)).catch((error: unknown) => error), RangeError)
  await Promise.all([
    later.doGenerate(CALL),
    cria.languageModel('later').doGenerate(CALL),
    cria('coming').doGenerate(CALL),
  ])
  await cria.embeddingModel('later').doEmbed({ values: ['x'] })
  assert.is(loads, 2)
  await fails(() => cria(), ArgumentError, 'NO_SUCH_MODEL')
  await fails(() => cria.embeddingModel('nobody'), ArgumentError, 'NO_SUCH_MODEL')
  await fails(() => cria.imageModel('here'), ArgumentError, 'NO_SUCH_MODEL')
  await fails(() => createCria(model)('another'), ArgumentError, 'NO_SUCH_MODEL')
  assert.is(createCria(model)().modelId, 'default')
  for (const wrong of [undefined, null, 7, 'model.gguf', {}, { a: 7 }, { a: null }]) {
    await fails(() => createCria(wrong as never), ArgumentError, 'INVALID_OPTION')
  }
  await fails(async () => createCria({ a: {} as never })('a').doGenerate(CALL), ArgumentError, 'INVALID_OPTION')
})

test('what the SDK takes it for is what it is: a provider, models', () => {
  const cria = createCria(fakeModel().model)
  const language: LanguageModel = cria()
  const embedding: EmbeddingModel = cria.embeddingModel()
  const registry = createProviderRegistry({ cria })
  assert.is(registry.languageModel('cria:default').modelId, language.modelId)
  assert.is(registry.embeddingModel('cria:default').modelId, embedding.modelId)
})

test('embeddings are plain numbers', async () => {
  const { model, embedded } = fakeModel()
  const { doEmbed, ...rest } = createCria(model).embeddingModel()
  assert.equal(rest, {
    specificationVersion: 'v4',
    provider: 'cria',
    modelId: 'default',
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: true,
  })
  const { signal } = new AbortController()
  const options = { abortSignal: signal, providerOptions: { cria: { pooling: 'last' } } }
  assert.equal(await doEmbed({ values: ['a', 'bc'], ...options }), {
    embeddings: [
      [1, 0.5],
      [2, 0.5],
    ],
    usage: { tokens: 4 },
    warnings: [],
  })
  assert.equal(embedded, [[['a', 'bc'], { pooling: 'last', signal }]])
  const { warnings } = await doEmbed({ values: ['a'], dimensions: 3, headers: { a: 'b' } })
  assert.is(warnings.length, 2)
  await fails(
    doEmbed({ values: ['a'], providerOptions: { cria: { poling: 'last' } } }),
    ArgumentError,
    'INVALID_OPTION',
  )
})

test.run()
