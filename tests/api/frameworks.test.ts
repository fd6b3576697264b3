/** What frameworks and test environments do to objects: proxies, freezing, copies, other realms, emulated browsers. */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { load, type Model, type ModelInput } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collect, fails, STORIES } from '../api-helpers.ts'

const GREEDY = { temperature: 0, maxTokens: 12 }
const PROMPT = 'Once upon a time'
const BYTES = readFileSync(STORIES)
const model = await load(STORIES, { threads: 1 })
const { text: story } = await model.generate(PROMPT, GREEDY).result()
test.after(() => model.close())

/** A proxy of an object and of all that is reached through it, as reactive state is; functions are called on the proxy. */
function reactive<T>(value: T, proxies = new WeakMap<object, object>()): T {
  // Those of frameworks know Maps, by whose methods they go.
  if (typeof value !== 'object' || value === null || value instanceof Map) return value
  const known = proxies.get(value)
  if (known) return known as T
  const get = (target: object, key: string | symbol, receiver: unknown): unknown =>
    reactive(Reflect.get(target, key, receiver), proxies)
  const proxy = new Proxy(value as object, { get })
  proxies.set(value, proxy)
  return proxy as T
}

/** As a draft of Immer's: not to be used once its producer has ended. */
function drafted<T extends object, R>(value: T, use: (draft: T) => R): R {
  const { proxy, revoke } = Proxy.revocable(value, {})
  const result = use(proxy)
  revoke()
  return result
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.values(value).forEach(freeze)
  return Object.freeze(value)
}

test('models, chats and generations work in reactive state', async () => {
  const state = reactive({ model, chat: model.createChat({ template: 'chatml' }), input: STORIES })
  const generation = reactive({ it: state.model.generate(PROMPT, GREEDY) })
  assert.is((await collect(generation.it)).join(''), story)
  assert.is((await generation.it.result()).text, story)
  const answer = await state.chat.send('Hello', GREEDY).result()
  assert.is(state.chat.messages.length, 2)
  assert.is(state.chat.messages[1]!.content, answer.text)
  assert.is(state.model.detokenize(state.model.tokenize('a cat')), 'a cat')
  assert.is(state.model.info.name, model.info.name)
})

test('methods go by themselves', async () => {
  const { generate, tokenize, status } = model
  assert.is((await generate(PROMPT, GREEDY).result()).text, story)
  assert.ok(tokenize('a cat').length > 0)
  assert.is((await status()).running, 0)
})

test('options, prompts and messages may be proxies', async () => {
  const ids = model.tokenize(PROMPT)
  const options = reactive({ ...GREEDY, stop: ['zzz'], logitBias: { 5: -1 }, n: 2 })
  const { choices } = await model.generate(reactive(ids), options).result()
  assert.is(choices!.length, 2)
  const bias = new Map([[5, false as const]])
  await model.generate(PROMPT, reactive({ ...GREEDY, seed: 1, logitBias: bias })).result()
  const messages = reactive([{ role: 'user', content: 'Hello' }])
  const chat = reactive({ ...GREEDY, template: 'chatml', templateVariables: { a: [1] } })
  const { text } = await model.chat(messages, chat).result()
  assert.is((await model.chat([{ role: 'user', content: 'Hello' }], chat).result()).text, text)
  await model.embed(reactive(['a', 'b']), reactive({ pooling: 'last' as const }))
  const loaded = await load(
    reactive([STORIES]),
    reactive({ threads: 1, headers: { a: 'b' }, sha256: undefined as never }),
  )
  await loaded.close()
})

test('options, prompts and messages are taken as they are at the call', async () => {
  const running = drafted({ ...GREEDY, stop: [' time'] }, (options) => model.generate(PROMPT, options))
  await running.result()
  const messages = [{ role: 'user', content: 'Hello' }]
  const begun = model.chat(messages, { ...GREEDY, template: 'chatml' })
  messages.push({ role: 'assistant', content: 'x' })
  const { promptTokens } = await begun.result()
  const { promptTokens: same } = await model.chat(messages.slice(0, 1), { ...GREEDY, template: 'chatml' }).result()
  assert.is(promptTokens, same)
})

test('options and messages may be frozen, and stores may freeze what they get', async () => {
  const chat = model.createChat(freeze({ template: 'chatml', ...GREEDY }))
  for (const turns of [2, 4]) {
    await chat.send('Hello', freeze({ stop: ['zzz'] })).result()
    assert.is(freeze(chat.messages).length, turns)
  }
  await model.chat(freeze([{ role: 'user', content: 'Hello' }]), freeze({ ...GREEDY, template: 'chatml' })).result()
})

test('serialization and inspection are short', () => {
  const all = { model, chat: model.createChat(), generation: model.generate(PROMPT) }
  for (const [name, value] of Object.entries(all)) {
    for (const text of [JSON.stringify(value), inspect(value, { depth: 9 })]) assert.ok(text.length < 9000, name)
    structuredClone(value)
  }
  assert.equal(JSON.parse(JSON.stringify(model)).info, JSON.parse(JSON.stringify(model.info)))
})

test('a component may load and close twice', async () => {
  const [first, second] = await Promise.all([load(STORIES, { threads: 1 }), load(STORIES, { threads: 1 })])
  await Promise.all([first, first, second].map(({ close }) => close()))
})

/** What a model of `input` tells. */
async function tells(input: unknown, options: object = {}): Promise<void> {
  const loaded: Model = await load(input as ModelInput, { threads: 1, ...options })
  try {
    assert.is((await loaded.generate(PROMPT, GREEDY).result()).text, story)
  } finally {
    await loaded.close()
  }
}

/** A Blob as an emulated browser's: no clone of it is one. */
class EmulatedBlob {
  constructor(
    readonly bytes: Uint8Array,
    readonly name = 'model.gguf',
  ) {}
  get size(): number {
    return this.bytes.length
  }
  slice(start: number, end: number): EmulatedBlob {
    return new EmulatedBlob(this.bytes.slice(start, end))
  }
  async arrayBuffer(): Promise<ArrayBufferLike> {
    return this.bytes.buffer
  }
}

test('Blobs of emulated browsers, handles of files, bytes and addresses of other realms', async () => {
  await tells(new EmulatedBlob(new Uint8Array(BYTES)))
  const old = new EmulatedBlob(new Uint8Array(BYTES))
  Object.assign(globalThis, { FileReader: EmulatedReader })
  Object.assign(EmulatedBlob.prototype, { arrayBuffer: undefined })
  await tells(old)
  delete (globalThis as { FileReader?: unknown }).FileReader
  await tells({ kind: 'file', name: 'model.gguf', getFile: async () => new File([BYTES], 'model.gguf') })
  const foreign = runInNewContext('Uint8Array.from(bytes)', { bytes: BYTES }) as Uint8Array
  assert.not.instance(foreign, Uint8Array)
  await tells(foreign)
  await tells(foreign.buffer)
  await tells(new EmulatedUrl(pathToFileURL(STORIES).href))
  const refused = { getFile: () => Promise.reject(new Error('NotAllowedError')), name: 'model.gguf' }
  const error = await fails(load(refused as never), Error as never, 'FILE_PERMISSION')
  assert.match(error.message, /NotAllowedError/)
})

class EmulatedUrl {
  constructor(readonly href: string) {}
  get [Symbol.toStringTag](): string {
    return 'URL'
  }
  toString(): string {
    return this.href
  }
}

/** What reads such a Blob where it has no arrayBuffer. */
class EmulatedReader {
  result: unknown
  onload = (): void => {}
  readAsArrayBuffer({ bytes }: EmulatedBlob): void {
    this.result = bytes.buffer
    setTimeout(() => this.onload())
  }
}

test('signals, states and biases of other realms', async () => {
  const state = await model.saveState(PROMPT)
  const foreign = runInNewContext('new Uint8Array(bytes)', { bytes: [...state] })
  assert.ok((await model.loadState(foreign)).tokens > 0)
  assert.ok((await model.loadState(foreign.buffer)).tokens > 0)
  const logitBias = runInNewContext('new Map([[5, -1]])')
  await model.generate(PROMPT, { ...GREEDY, logitBias }).result()
  const signal = new EmulatedSignal()
  const running = model.generate(PROMPT, { temperature: 0, ignoreEos: true, signal: signal as never }).result()
  setTimeout(() => signal.abort(), 20)
  await fails(running, Error as never, 'ABORTED')
})

class EmulatedSignal extends EventTarget {
  aborted = false
  readonly reason = new Error('enough')
  abort(): void {
    this.aborted = true
    this.dispatchEvent(new Event('abort'))
  }
}

test.run()
