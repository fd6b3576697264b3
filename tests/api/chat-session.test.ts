/** Chats: a template's text, turns that are kept, and what a turn costs. */
import { readFileSync } from 'node:fs'
import { AbortError, ArgumentError, ContextError, type CriaWarning, load, TemplateError } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collect, fails, SMOLLM, STORIES } from '../api-helpers.ts'
import { hasShared, shared, sharedTest } from '../shared.ts'

const GREEDY = { temperature: 0, maxTokens: 24 }
const USER = { role: 'user', content: 'What is the capital of France?' }
const real = hasShared ? await load(SMOLLM, { context: 1024 }) : undefined
const warnings: CriaWarning[] = []
const stories = await load(STORIES, { threads: 1, onWarning: (warning) => warnings.push(warning) })
test.after(async () => {
  await real?.close()
  await stories.close()
})

test('a model without a template warns once, and chats all the same', async () => {
  assert.is(stories.info.chatTemplate, undefined)
  const text = stories.applyTemplate([USER])
  assert.ok(text.includes(USER.content))
  await stories.chat([USER], GREEDY).result()
  await stories.createChat().send('Hi', GREEDY).result()
  assert.equal(
    warnings.map(({ code }) => code),
    ['NO_CHAT_TEMPLATE'],
  )
  assert.match(warnings[0]!.message, /template/)
})

test('a SentencePiece model keeps its turns, too, and BOS is written once', async () => {
  const chat = stories.createChat({ system: 'You tell stories.', template: 'llama2' })
  const text = stories.applyTemplate([...chat.messages, { role: 'user', content: 'A cat' }], { template: 'llama2' })
  const first = await chat.send('A cat', GREEDY).result()
  assert.is(first.promptTokens, stories.tokenize(text, { bos: !text.startsWith('<s>') }).length)
  assert.equal(
    chat.messages.map(({ role }) => role),
    ['system', 'user', 'assistant'],
  )
  const second = await chat.send('And a dog', { ...GREEDY, maxTokens: 4 }).result()
  assert.ok(second.cachedTokens >= first.promptTokens - 2, `${second.cachedTokens} of ${second.promptTokens}`)
})

test('templates by name and in Jinja, with variables; malformed ones are refused', async () => {
  assert.match(stories.applyTemplate([USER], { template: 'chatml' }), /^<\|im_start\|>user\n/)
  const jinja = '{{ greeting }} {{ messages[0].content }}{% if tools %} {{ tools | length }}{% endif %}'
  const options = { template: jinja, templateVariables: { greeting: 'Hello.' }, tools: [{}, {}] }
  assert.is(stories.applyTemplate([USER], options), `Hello. ${USER.content} 2`)
  await fails(() => stories.applyTemplate([USER], { template: 'no such' }), ArgumentError, 'INVALID_TEMPLATE')
  await fails(() => stories.applyTemplate([USER], { template: '{% if %}' }), TemplateError, 'TEMPLATE_SYNTAX')
  await fails(() => stories.applyTemplate([USER], { template: 5 as never }), ArgumentError, 'INVALID_TEMPLATE')
  const raising = "{{ raise_exception('Not these messages.') }}"
  await fails(stories.chat([USER], { template: raising }).result(), TemplateError)
  for (const messages of ['Hi', [{}], [{ role: 'user', content: 5 }], [null]]) {
    await fails(() => stories.applyTemplate(messages as never), ArgumentError, 'INVALID_MESSAGES')
    await fails(stories.chat(messages as never).result(), ArgumentError, 'INVALID_MESSAGES')
  }
})

test('a turn that fails leaves the chat as it was', async () => {
  const chat = stories.createChat({ template: 'chatml' })
  await fails(chat.send(5 as never).result(), ArgumentError, 'INVALID_MESSAGES')
  await fails(chat.send('Hi', { maxTokens: -1 }).result(), ArgumentError, 'INVALID_OPTION')
  const error = await fails(chat.send('Hi', { special: false }).result(), ArgumentError, 'INVALID_OPTION')
  assert.match(error.message, /^special must be true/)
  for (const echoing of [stories.createChat({ echo: true }).send('Hi'), chat.send('Hi', { echo: true })]) {
    assert.match((await fails(echoing.result(), ArgumentError, 'INVALID_OPTION')).message, /^echo must be false/)
  }
  await fails(stories.chat([USER], { special: false }).result(), ArgumentError, 'INVALID_OPTION')
  await fails(chat.send('Hi', { signal: 'now' as never }).result(), ArgumentError, 'INVALID_OPTION')
  await fails(chat.send('Hi', { signal: AbortSignal.abort() }).result(), AbortError, 'ABORTED')
  assert.equal(chat.messages, [])
  await chat.send('Hi', { ...GREEDY, maxTokens: 3 }).result()
  assert.is(chat.messages.length, 2)
})

test('turns sent at once come in order; one that waits can be given up', async () => {
  const chat = stories.createChat({ template: 'chatml' })
  const controller = new AbortController()
  const one = chat.send('One', GREEDY).result()
  const two = chat.send('Two', { ...GREEDY, signal: controller.signal }).result()
  const three = chat.send('Three', GREEDY).result()
  controller.abort()
  await fails(two, AbortError, 'ABORTED')
  await one
  await three
  assert.equal(
    chat.messages.map(({ role, content }) => (role === 'user' ? content : role)),
    ['One', 'assistant', 'Three', 'assistant'],
  )
})

test('a reset while an answer comes drops the answer', async () => {
  const chat = stories.createChat({ system: 'S', template: 'chatml' })
  for await (const piece of chat.send('One', GREEDY)) {
    assert.type(piece, 'string')
    chat.reset()
  }
  assert.equal(chat.messages, [{ role: 'system', content: 'S' }])
})

test('a conversation goes on with messages that are given', async () => {
  const chat = stories.createChat({ system: 'S', template: 'chatml' })
  await chat.send('One', GREEDY).result()
  const again = stories.createChat({ messages: chat.messages, template: 'chatml' })
  const [one, other] = await Promise.all([chat.send('Two', GREEDY).result(), again.send('Two', GREEDY).result()])
  assert.is(one.text, other.text)
  assert.equal(again.messages, chat.messages)
  again.reset()
  assert.equal(again.messages, [{ role: 'system', content: 'S' }])
  await fails(() => stories.createChat({ messages: 'Hi' as never }), ArgumentError, 'INVALID_OPTION')
})

test('a conversation that outgrows the context goes on without its older half, with contextShift alone', async () => {
  const said: CriaWarning[] = []
  const model = await load(STORIES, { threads: 1, context: 256, onWarning: (warning) => said.push(warning) })
  const options = { ...GREEDY, template: 'chatml', system: 'S' }
  try {
    const chat = model.createChat({ ...options, contextShift: true })
    const plain = model.createChat(options)
    let refused = false
    for (let turn = 0; turn < 12; turn++) {
      await chat.send(`The cat of day ${turn}`).result()
      refused ||= await plain
        .send(`The cat of day ${turn}`)
        .result()
        .then(
          () => false,
          (error) => error instanceof ContextError,
        )
    }
    assert.ok(refused)
    assert.is(chat.messages.length, 25, 'all messages are kept')
    const shifts = said.filter(({ code }) => code === 'CONTEXT_SHIFTED')
    assert.ok(shifts.length > 0 && shifts.length < 12, `${shifts.length}`)
    // What a chat that has only the later messages says.
    const dropped = Number(/first (\d+) messages/.exec(shifts.at(-1)!.message)![1])
    const kept = [chat.messages[0]!, ...chat.messages.slice(1 + dropped)]
    const alone = await model.chat(kept.slice(0, -1), { ...GREEDY, template: 'chatml', contextShift: true }).result()
    assert.is(alone.text, kept.at(-1)!.content)
    await fails(chat.send('long '.repeat(200)).result(), ContextError)
    assert.is(chat.messages.length, 25)
  } finally {
    await model.close()
  }
})

sharedTest('chat: generates from what applyTemplate writes', async () => {
  const generation = real!.chat([USER], GREEDY)
  const pieces = await collect(generation)
  const result = await generation.result()
  assert.is(pieces.join(''), result.text)
  const text = real!.applyTemplate([USER])
  assert.is(result.promptTokens, real!.tokenize(text).length)
  assert.equal((await real!.generate(text, GREEDY).result()).ids, result.ids)
})

sharedTest('an answer ends where the reference’s ends, and its end token is no text', async () => {
  const references = JSON.parse(readFileSync(shared('goldens', 'SmolLM2.greedy.json'), 'utf8')) as Record<
    string,
    { prompt: string; ids: number[]; margins: number[] }
  >
  let ended = 0
  for (const { prompt, ids, margins } of Object.values(references)) {
    // Far from a tie, where quantization could decide otherwise.
    if (real!.detokenize(ids.slice(-1), { special: true }) !== '<|im_end|>' || margins.at(-1)! < 1) continue
    const said = real!.detokenize(ids)
    const result = await real!.generate(prompt + said, { temperature: 0, maxTokens: 2 }).result()
    assert.equal([result.text, result.ids, result.finishReason], ['', ids.slice(-1), 'stop'], said)
    ended++
  }
  assert.ok(ended > 0)
})

sharedTest('createChat: a later turn computes only what is new, and answers as one that knew all at once', async () => {
  const chat = real!.createChat({ system: 'You are brief.' })
  const first = await chat.send('What is the capital of France?', { temperature: 0, maxTokens: 64 }).result()
  const second = await chat.send('And of Italy?', { temperature: 0, maxTokens: 64 }).result()
  // All of the first turn but its last token, which was sampled and not read.
  const known = first.promptTokens + first.completionTokens - 1
  assert.ok(second.cachedTokens >= known, `${second.cachedTokens} of ${known}`)
  const { messages } = chat
  assert.equal(
    messages.map(({ role }) => role),
    ['system', 'user', 'assistant', 'user', 'assistant'],
  )
  assert.equal([messages[2]!.content, messages[4]!.content], [first.text, second.text])
  await real!.reset()
  const whole = await real!.chat(messages.slice(0, 4), { temperature: 0, maxTokens: 64 }).result()
  assert.is(whole.text, second.text)
  chat.reset()
  assert.equal(chat.messages, [{ role: 'system', content: 'You are brief.' }])
})

sharedTest(
  'an answer stopped early stays in the chat as far as it came, by a signal or by leaving the loop',
  async () => {
    const controller = new AbortController()
    const ways: Record<string, AbortSignal | undefined> = { signal: controller.signal, break: undefined }
    for (const [way, signal] of Object.entries(ways)) {
      const chat = real!.createChat()
      let said = ''
      const generation = chat.send('Count from one to twenty.', { temperature: 0, ...(signal && { signal }) })
      try {
        for await (const piece of generation) {
          said += piece
          if (said.length < 10) continue
          if (way === 'break') break
          controller.abort()
        }
      } catch (error) {
        assert.instance(error, AbortError)
      }
      const answer = chat.messages[1]
      assert.is(chat.messages.length, 2, way)
      assert.ok((answer!.content as string).startsWith(said.slice(0, 10)), way)
      await chat.send('Go on.', { temperature: 0, maxTokens: 4 }).result()
      assert.is(chat.messages.length, 4, way)
    }
  },
)

test.run()
