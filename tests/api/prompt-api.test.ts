/** Chrome's Prompt API with cria's model: conversations, constraints, tools, aborts, overflow, errors by the draft's names. */
import { ArgumentError, load, type Model, type RunnableTool } from 'cria'
import { createPromptApi, installPromptApi, type PromptSession } from 'cria/prompt-api'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'

const CONTEXT = 256
const open = (options: object = {}): Promise<Model> =>
  load(STORIES, { threads: 1, context: CONTEXT, onWarning: () => {}, ...options })
const model = await open()
const LanguageModel = createPromptApi(model)
test.after(() => model.close())

/** Answers that are short and the same each time: a word or so. */
const SHORT = { responseConstraint: /[a-z]{1,5}/ }
const PREDICTABLE = { samplingMode: 'most-predictable' } as const

/** The DOMException that work ends with. */
async function throws(work: Promise<unknown> | (() => unknown), name: string): Promise<DOMException> {
  let error: unknown
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (thrown) {
    error = thrown
  }
  assert.ok(error !== undefined, `should have failed with ${name}`)
  assert.is((error as Error).name, name, String(error))
  if (!['TypeError', 'RangeError'].includes(name)) assert.instance(error, DOMException)
  assert.ok((error as Error).message.length > 10)
  return error as DOMException
}

async function textOf(stream: ReadableStream<string>): Promise<string> {
  let text = ''
  for await (const piece of stream as unknown as AsyncIterable<string>) text += piece
  return text
}

/** What the model says to messages, with the options of a most predictable session. */
async function said(messages: { role: string; content: string }[], options: object = {}): Promise<string> {
  return (await model.chat(messages, { temperature: 0, regex: '[a-z]{1,5}', ...options }).result()).text
}

test('a session answers with its conversation in mind, whole and streamed, and counts its tokens', async () => {
  const system = { role: 'system', content: 'Be brief.' } as const
  const session = await LanguageModel.create({ ...PREDICTABLE, initialPrompts: [system] })
  assert.is(session.contextWindow, CONTEXT)
  const begun = session.contextUsage
  assert.ok(begun > 0)
  const question = { role: 'user', content: 'Once upon a time' } as const
  const first = await session.prompt('Once upon a time', SHORT)
  assert.is(first, await said([system, question]))
  const used = session.contextUsage
  assert.ok(used > begun)
  assert.equal([session.inputUsage, session.inputQuota], [used, CONTEXT])
  const second = await textOf(
    session.promptStreaming(
      [
        {
          role: 'user',
          content: [
            { type: 'text', value: 'And' },
            { type: 'text', value: ' then?' },
          ],
        },
      ],
      SHORT,
    ),
  )
  const turns = [system, question, { role: 'assistant', content: first }, { role: 'user', content: 'And then?' }]
  assert.is(second, await said(turns))
  assert.ok(session.contextUsage > used)
})

test('what is measured is what an input adds; measuring and cloning change nothing', async () => {
  const session = await LanguageModel.create(PREDICTABLE)
  assert.is(session.contextUsage, 0)
  await session.append('Once upon a time')
  const used = session.contextUsage
  const measured = await session.measureContextUsage('there was a llama')
  assert.is(await session.measureInputUsage('there was a llama'), measured)
  assert.is(session.contextUsage, used)
  const clone = await session.clone()
  await session.append('there was a llama')
  assert.is(session.contextUsage, used + measured)
  assert.is(clone.contextUsage, used)
  const [one, two] = [
    await clone.prompt('there was a llama', SHORT),
    await session.prompt([{ role: 'user', content: '' }], SHORT),
  ]
  assert.type(one, 'string')
  assert.type(two, 'string')
  await throws(session.measureContextUsage('x', { omitResponseConstraintInput: true }), 'TypeError')
})

test('answers fit a schema or an expression; an answer goes on with a prefix', async () => {
  const session = await LanguageModel.create(PREDICTABLE)
  const schema = { enum: [1, 2, 3] }
  assert.ok([1, 2, 3].includes(JSON.parse(await session.prompt('A number', { responseConstraint: schema }))))
  assert.match(await session.prompt('A word', { responseConstraint: /ab?c/ }), /^ab?c$/)
  const fresh = await LanguageModel.create(PREDICTABLE)
  const input = [
    { role: 'user', content: 'Tell a story' },
    { role: 'assistant', content: 'Once upon', prefix: true },
  ] as const
  const rest = await fresh.prompt(input, SHORT)
  const plain = input.map(({ role, content }) => ({ role, content }))
  assert.is(rest, await said(plain))
  const next = await fresh.prompt('More', SHORT)
  const whole = [plain[0]!, { role: 'assistant', content: `Once upon${rest}` }, { role: 'user', content: 'More' }]
  assert.is(next, await said(whole))
  for (const responseConstraint of [/a/i, { type: 'string', pattern: '(?<=a)b' }]) {
    await throws(session.prompt('x', { responseConstraint }), 'NotSupportedError')
  }
  await throws(session.prompt('x', { responseConstraint: [] as never }), 'TypeError')
  await throws(session.prompt('x', { responseConstraint: /[a-z]{2000}/ }), 'SyntaxError')
})

test('tools are called until there is an answer; the next prompt has their results', async () => {
  const asked: { role: string; content: string }[][] = []
  const called: unknown[] = []
  /** Calls the first tool, once, and says what it was told. */
  const caller = {
    info: { context: CONTEXT, sampling: {} },
    chat: () => assert.unreachable(),
    runTools(messages: { role: string; content: string }[], [tool]: [RunnableTool], options: object) {
      asked.push(messages)
      assert.equal(options, { ...options, addGenerationPrompt: true, continueFinalMessage: false })
      assert.equal((tool as { parameters?: unknown }).parameters, inputSchema)
      const result = (async () => {
        const call = { id: '1', signal: new AbortController().signal }
        const text = String(await tool.execute({ city: 'Brest' }, call))
        const added = [
          { role: 'assistant', content: '' },
          { role: 'tool', content: text },
          { role: 'assistant', content: text },
        ]
        return { text, finishReason: 'stop', promptTokens: 5, completionTokens: 2, messages: [...messages, ...added] }
      })()
      return {
        result: () => result,
        async *deltas() {
          yield { content: (await result).text }
        },
      }
    },
  }
  const inputSchema = { type: 'object', properties: { city: { type: 'string' } } }
  const tool = {
    name: 'weather',
    description: 'The weather of a city.',
    inputSchema,
    execute: async (args: Record<string, unknown>) => {
      called.push(args)
      if (called.length > 2) throw new Error('The sky is gone.')
      return 'clear'
    },
  }
  const session = await createPromptApi(caller as unknown as Model).create({ tools: [tool] })
  assert.is(await session.prompt('The weather?'), 'clear')
  assert.is(session.contextUsage, 7)
  assert.is(await textOf(session.promptStreaming('Again?')), 'clear')
  assert.equal(called, [{ city: 'Brest' }, { city: 'Brest' }])
  assert.equal(
    asked[1]!.map(({ role }) => role),
    ['user', 'assistant', 'tool', 'assistant', 'user'],
  )
  const error = await throws(session.prompt('Again?'), 'UnknownError')
  assert.is((error.cause as Error).message, 'The sky is gone.')
})

test('system messages come first, prefixes last; other mistakes have the draft’s names too', async () => {
  const session = await LanguageModel.create()
  const system = { role: 'system', content: 'x' } as const
  const user = { role: 'user', content: 'x' } as const
  await throws(session.prompt([user, system]), 'TypeError')
  await session.append([system])
  await throws(session.append([system]), 'TypeError')
  await throws(LanguageModel.create({ initialPrompts: [user, system] }), 'TypeError')
  await throws(session.prompt([{ ...user, prefix: true }]), 'SyntaxError')
  await throws(session.prompt([{ role: 'assistant', content: 'x', prefix: true }, user]), 'SyntaxError')
  await throws(session.prompt([{ role: 'robot' as never, content: 'x' }]), 'TypeError')
  await throws(session.prompt([{ role: 'user', content: [{ type: 'image', value: 'x' }] }]), 'NotSupportedError')
  await throws(session.prompt([{ role: 'user', content: [{ type: 'text', value: 7 }] }]), 'TypeError')
  await throws(textOf(session.promptStreaming([user, system])), 'TypeError')
  const Class = LanguageModel as unknown as new () => unknown
  await throws(() => new Class(), 'TypeError')
  for (const wrong of [{ topK: 0 }, { temperature: -1 }]) await throws(LanguageModel.create(wrong), 'RangeError')
  await throws(LanguageModel.create({ topK: 3, samplingMode: 'creative' }), 'TypeError')
  await throws(LanguageModel.create({ samplingMode: 'wild' as never }), 'TypeError')
  await throws(LanguageModel.create({ expectedInputs: [{ type: 'text', languages: ['not a tag'] }] }), 'RangeError')
  await throws(LanguageModel.create({ expectedInputs: [{ type: 'image' }] }), 'NotSupportedError')
  assert.is(await LanguageModel.availability({ expectedOutputs: [{ type: 'audio' }] }), 'unavailable')
  assert.is(await LanguageModel.availability({ expectedInputs: [{ type: 'text', languages: ['en'] }] }), 'available')
})

test('sampling is by mode, or by the old numbers', async () => {
  assert.equal(await LanguageModel.params(), {
    defaultTopK: 40,
    maxTopK: 128,
    defaultTemperature: 0.8,
    maxTemperature: 2,
  })
  const of = async (options: object) => {
    const { topK, temperature, samplingMode } = await LanguageModel.create(options)
    return [topK, temperature, samplingMode]
  }
  assert.equal(await of({}), [40, 0.8, 'balanced'])
  assert.equal(await of({ samplingMode: 'most-predictable' }), [40, 0, 'most-predictable'])
  assert.equal(await of({ topK: 3.7, temperature: 99 }), [3, 2, 'balanced'])
  assert.equal(await of({ topK: Infinity, temperature: 1 }), [128, 1, 'balanced'])
})

test('a conversation that is longer than the context goes on without its oldest turns; initial prompts stay', async () => {
  const session = await LanguageModel.create({
    ...PREDICTABLE,
    initialPrompts: [{ role: 'system', content: 'Be brief.' }],
  })
  const heard: string[] = []
  session.oncontextoverflow = () => heard.push('handler')
  session.addEventListener('contextoverflow', () => heard.push('listener'))
  for (let i = 0; i < 6; i++)
    await session.append(`${i} once upon a time there was a little girl who liked to play in the park with her dog `)
  assert.ok(heard.length >= 2 && heard.includes('handler') && heard.includes('listener'))
  assert.ok(session.contextUsage <= CONTEXT)
  assert.type(await session.prompt('And?', SHORT), 'string')
  const used = session.contextUsage
  const error = (await throws(session.prompt('long '.repeat(400)), 'QuotaExceededError')) as DOMException & {
    quota: number
  }
  assert.is(error.quota, CONTEXT)
  assert.is(session.contextUsage, used, 'nothing is dropped for what never fits')
  await throws(
    LanguageModel.create({ initialPrompts: [{ role: 'user', content: 'long '.repeat(400) }] }),
    'QuotaExceededError',
  )
})

test('an abort, or the end of a session, ends what runs and what waits; what was aborted leaves no trace', async () => {
  const big = await open({ context: 2048, overrides: { 'llama.context_length': 2048 } })
  try {
    const session: PromptSession = await createPromptApi(big).create(PREDICTABLE)
    const used = session.contextUsage
    const leaving = new AbortController()
    const stream = session.promptStreaming('Hi', { responseConstraint: /[a-z ]{1500,}/, signal: leaving.signal })
    const waiting = new AbortController()
    const queued = session.prompt('Hi', { ...SHORT, signal: waiting.signal })
    waiting.abort(new RangeError('enough of it'))
    await throws(queued, 'RangeError')
    const reader = stream.getReader()
    assert.type((await reader.read()).value, 'string')
    leaving.abort()
    await throws(
      (async () => {
        while (!(await reader.read()).done);
      })(),
      'AbortError',
    )
    assert.is(session.contextUsage, used)
    const left = session.promptStreaming('Hi', { responseConstraint: /[a-z ]{1500,}/ })
    await left.cancel()
    assert.type(await session.prompt('Hi', SHORT), 'string')
    await throws(session.prompt('Hi', { signal: AbortSignal.abort() }), 'AbortError')
    const running = session.prompt('Hi', { responseConstraint: /[a-z ]{1500,}/ })
    session.destroy()
    await throws(running, 'AbortError')
    for (const late of [
      () => session.prompt('x'),
      () => session.append('x'),
      () => session.clone(),
      () => session.measureContextUsage('x'),
    ]) {
      await throws(late, 'AbortError')
    }
    const ending = new AbortController()
    const other = await createPromptApi(big).create({ signal: ending.signal })
    ending.abort()
    await throws(other.prompt('x'), 'AbortError')
  } finally {
    await big.close()
  }
})

test('a model is loaded by the first session, which hears how far it is; a load that failed is tried again', async () => {
  let loads = 0
  const Lazy = createPromptApi(async ({ onProgress }) => {
    loads++
    if (loads === 1) throw new Error('there is no such thing')
    onProgress({ phase: 'weights', done: 1, total: 4 })
    return model
  })
  assert.is(await Lazy.availability(), 'downloadable')
  await throws(Lazy.create(), 'OperationError')
  const heard: number[] = []
  const monitor = (target: EventTarget): void =>
    target.addEventListener('downloadprogress', (event) => heard.push((event as ProgressEvent).loaded))
  const making = Lazy.create({ monitor })
  assert.is(await Lazy.availability(), 'downloading')
  await making
  assert.is(await Lazy.availability(), 'available')
  await Lazy.create({ monitor })
  assert.equal(heard, [0, 0.25, 1, 0, 1])
  assert.is(loads, 2)
  await throws(createPromptApi(() => load('/nowhere.gguf')).create(), 'NetworkError')
  await throws(Lazy.create({ signal: AbortSignal.abort() }), 'AbortError')
  await fails(() => createPromptApi(7 as never), ArgumentError, 'INVALID_OPTION')
})

test('it is installed when asked, and does not take the place of another', async () => {
  const global = globalThis as { LanguageModel?: { name: string } }
  assert.is(global.LanguageModel, undefined)
  assert.is(installPromptApi(model), true)
  const ours = global.LanguageModel
  assert.is(ours?.name, 'LanguageModel')
  assert.is(installPromptApi(model), false)
  assert.is(global.LanguageModel, ours)
  assert.is(installPromptApi(model, { replace: true }), true)
  assert.is.not(global.LanguageModel, ours)
  delete global.LanguageModel
})

test.run()
