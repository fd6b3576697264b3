/** Options and arguments that are wrong: each is refused by name with the value at fault, and the model goes on. */
import {
  ArgumentError,
  ContextError,
  type GenerateOptions,
  inspect,
  type LoadOptions,
  load,
  loadTokenizer,
  MemoryError,
} from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, SMOLLM, STORIES } from '../api-helpers.ts'
import { sharedTest } from '../shared.ts'

const model = await load(STORIES, { threads: 1 })
test.after(() => model.close())

/** The model still says what it says. */
async function usable(): Promise<void> {
  const { text } = await model.generate('', { temperature: 0, maxTokens: 6 }).result()
  assert.ok(text.startsWith('Once upon a time'), text)
}

const NEITHER = { sort: 'of thing' }
const BAD_LOAD: Record<keyof LoadOptions, unknown[]> = {
  threads: [0, -1, 1.5, 65, Number.NaN, 'two', null, true, NEITHER],
  context: [0, -1, 1.5, Infinity, 16_777_217, '512', null],
  kv: ['q8', 'F16', 5, null],
  batch: [0, -1, 513, 1.5, '64', null],
  kvTokens: [0, -1, 1.5, '64', null],
  parallel: [0, -1, 513, 1.5, '64', null],
  maxSegmentBytes: [0, -1, 65535, 4_294_967_297, 1e5 + 0.5, '1G'],
  isa: ['avx', '', 5, null],
  wasm: [
    null,
    5,
    'relaxed',
    new Uint8Array(8),
    NEITHER,
    new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)),
  ],
  inProcess: ['yes', 1, null, NEITHER],
  grammars: ['yes', 1, null, NEITHER],
  cache: ['yes', 1, null, NEITHER],
  workerUrl: ['', 'http://[', 5, null, NEITHER],
  onProgress: [5, 'log', NEITHER, null],
  onWarning: [5, 'log', NEITHER, null],
  signal: [{ aborted: true }, 'now', null, new AbortController()],
  headers: [5, 'x: y', null, { a: 5 }, { a: undefined }, new Map([['a', 'b']]), [['a', 'b']]],
  token: [5, null, ['x']],
  fetch: [5, 'x', null, NEITHER],
  sha256: ['', 'abc', 5, null, 'g'.repeat(64)],
  retries: [-1, Number.NaN, '3', null, Infinity],
  retryDelay: [-1, Number.NaN, '3', null],
  reconnectTimeout: [-1, Infinity, '3', null],
  overrides: [5, null, 'a=int:1'],
}
/** Their values are not repeated: they may be secret. */
const SECRET = ['headers', 'token']

for (const [name, values] of Object.entries(BAD_LOAD)) {
  test(`load refuses ${name} that is malformed`, async () => {
    for (const value of values) {
      const error = await fails(load(STORIES, { [name]: value }), ArgumentError)
      assert.match(error.message, name)
      // Objects are copied before they are looked at.
      if (!SECRET.includes(name)) assert.equal(error.value, value, `${name} ${String(value)}`)
    }
    await usable()
  })
}

test('load and inspect refuse options that are no object', async () => {
  for (const options of [null, 5, 'fast']) {
    await fails(load(STORIES, options as never), ArgumentError, 'INVALID_OPTION')
    await fails(inspect(STORIES, options as never), ArgumentError, 'INVALID_OPTION')
  }
  for (const options of [{ context: 0 }, { kv: 'q8' }, { threads: 0 }, { batch: 0 }, { signal: 5 }, { retries: -1 }]) {
    await fails(inspect(STORIES, options as never), ArgumentError, 'INVALID_OPTION')
  }
})

test('load refuses what is no model, nor the name of one', async () => {
  for (const input of [undefined, null, 5, {}, [], true]) await fails(load(input as never), ArgumentError, 'INPUT_KIND')
  await fails(load('ftp://example.org/x.gguf'), ArgumentError, 'INPUT_SCHEME')
  await fails(load(new URL('data:text/plain,x')), ArgumentError, 'INPUT_SCHEME')
  await fails(load('hf:only-an-owner'), ArgumentError, 'INPUT_HF')
  await usable()
})

const BAD_GENERATE: Record<keyof GenerateOptions, unknown[]> = {
  maxTokens: [-1, 1.5, Number.NaN, Infinity, '5', null],
  minTokens: [-1, 1.5, '5', null],
  priority: ['high', null, NaN],
  contextShift: ['yes', 1, null],
  keep: [-2, 1.5, '5', null],
  echo: ['yes', 1, null],
  n: [0, -1, 1.5, 129, '2', null],
  stop: ['', [''], 5, [5], ['a', ''], NEITHER, null],
  special: ['yes', 1, null],
  bos: ['yes', 1, null],
  ignoreEos: ['yes', 1, null],
  showSpecial: ['yes', 1, null],
  logprobs: ['yes', 1, null],
  postSamplingProbs: ['yes', 1, null],
  topLogprobs: [-1, 21, 1.5, '5', null],
  schema: ['text', 5, [{}], null, () => 1],
  json: ['yes', 1, null],
  grammar: [5, {}, null],
  regex: [5, /a/, null],
  compact: ['yes', 1, null, true],
  onDelta: [5, NEITHER, null],
  onToken: [5, NEITHER, null],
  onPrompt: [5, NEITHER, null],
  signal: [{ aborted: true }, 'now', null],
  temperature: [Number.NaN, Infinity, 1e300, 'hot', null, () => 1],
  topK: [1.5, -2, 'x', null],
  topP: [-0.1, 1.1, Number.NaN, 'x'],
  minP: [-0.1, 1.1, Number.NaN, 'x'],
  typicalP: [-0.1, 1.1, 'x'],
  topNSigma: [Number.NaN, 'x'],
  repeatPenalty: [0, -1, Number.NaN, 'x'],
  repeatLastN: [-2, 1.5, 'x'],
  frequencyPenalty: [1001, -1001, Number.NaN, 'x'],
  presencePenalty: [1001, -1001, Number.NaN, 'x'],
  dryMultiplier: [-1, Number.NaN, 'x'],
  dryBase: [0.5, Number.NaN, 'x'],
  dryAllowedLength: [-1, 1.5, 'x'],
  dryPenaltyLastN: [-2, 1.5, 'x'],
  drySequenceBreakers: ['x', [''], [5], ['x'.repeat(41)], null],
  xtcProbability: [-0.1, 1.1, 'x'],
  xtcThreshold: [-0.1, 1.1, 'x'],
  mirostat: [-1, 3, 1.5, 'x', null],
  mirostatTau: [-1, Number.NaN, 'x'],
  mirostatEta: [-1, Number.NaN, 'x'],
  adaptiveTarget: [1.1, Number.NaN, 'x'],
  adaptiveDecay: [-0.1, 1, 'x'],
  dynatempRange: [-1, Number.NaN, 'x'],
  dynatempExponent: [-1, Number.NaN, 'x'],
  logitBias: [5, 'x', [1], { x: 1 }, { 512: 1 }, { [-1]: 1 }, { 1: Number.NaN }, { 1: '5' }, new Map([[1, null]])],
  seed: [-1, 1.5, 4294967296, 'x', null, Number.NaN],
  samplers: ['top_k', ['top_k', 'nucleus'], [5], null],
  minKeep: [-1, 1.5, 'x'],
}

for (const [name, values] of Object.entries(BAD_GENERATE)) {
  test(`generate refuses ${name} that is malformed`, async () => {
    for (const value of values) {
      const options = { maxTokens: 1, [name]: value } as GenerateOptions
      const error = await fails(model.generate('x', options).result(), ArgumentError, 'INVALID_OPTION')
      assert.match(error.message, name)
      assert.ok('value' in error)
      if (typeof value !== 'object') assert.ok(Object.is(error.value, value), `${name} ${String(value)}`)
    }
    await usable()
  })
}

test('what generate does not know never reaches a worker', async () => {
  const options = { maxTokens: 1, mine: () => 5 } as GenerateOptions
  await fails(model.generate('x', options).result(), ArgumentError, 'INVALID_OPTION')
  await fails(model.generate('x', null as never).result(), ArgumentError, 'INVALID_OPTION')
})

test('names of options as other APIs write them are refused, and the right ones told', async () => {
  for (const [name, right] of Object.entries({
    max_tokens: 'maxTokens',
    top_k: 'topK',
    dynatemp_range: 'dynatempRange',
  })) {
    const error = await fails(model.generate('x', { [name]: 1 } as never).result(), ArgumentError, 'INVALID_OPTION')
    assert.is(error.message, `There is no option ${name}; write ${right}.`)
    assert.is(error.value, name)
  }
  await usable()
})

test('options that are no object, or hold the wrong things, wherever there are any', async () => {
  for (const options of [null, 5, { special: 'yes' }]) {
    await fails(() => model.tokenize('x', options as never), ArgumentError, 'INVALID_OPTION')
    await fails(() => model.detokenize([5], options as never), ArgumentError, 'INVALID_OPTION')
    await fails(() => model.tokenBytes(5, options as never), ArgumentError, 'INVALID_OPTION')
  }
  for (const options of [null, 5, { signal: 5 }]) {
    await fails(model.logits([5], options as never), ArgumentError, 'INVALID_OPTION')
  }
  for (const options of [null, 5]) {
    await fails(() => model.createChat(options as never), ArgumentError, 'INVALID_OPTION')
    await fails(() => model.applyTemplate([], options as never), ArgumentError, 'INVALID_OPTION')
  }
  await usable()
})

test('prompts that are none', async () => {
  for (const prompt of [undefined, null, 5, {}, true, [1, 'x'], [undefined], [1n]]) {
    await fails(model.generate(prompt as never).result(), ArgumentError, 'INVALID_TOKENS')
  }
  for (const id of [-1, 512, 1.5, Number.NaN, Infinity]) {
    const error = await fails(model.generate([1, id]).result(), ArgumentError, 'INVALID_TOKEN')
    assert.ok(Object.is(error.value, id))
    await fails(model.logits([1, id]), ArgumentError, 'INVALID_TOKEN')
  }
  for (const empty of [model.generate([]), model.generate('', { bos: false })]) {
    await fails(empty.result(), ArgumentError, 'EMPTY_PROMPT')
  }
  await fails(model.logits([]), ArgumentError, 'EMPTY_PROMPT')
  await fails(model.logits('text' as never), ArgumentError, 'INVALID_TOKENS')
  await fails(() => model.tokenize(5 as never), ArgumentError, 'INVALID_TEXT')
  await fails(() => model.detokenize([512]), ArgumentError, 'TOKEN_ID')
  await fails(() => model.detokenize('x' as never), ArgumentError, 'INVALID_TOKENS')
  const tokenizer = await loadTokenizer(STORIES)
  for (const text of [5, undefined, null, ['x']]) {
    const error = await fails(() => tokenizer.tokenize(text as never), ArgumentError, 'INVALID_TEXT')
    assert.is(error.value, text)
  }
  for (const ids of [5, undefined, null, 'x', {}]) {
    await fails(() => tokenizer.detokenize(ids as never), ArgumentError, 'INVALID_TOKENS')
  }
  await usable()
})

test('a prompt longer than the context, as ids, as a text and for logits', async () => {
  const ids = Array(513).fill(5)
  const error = await fails(model.generate(ids).result(), ContextError, 'CONTEXT_EXCEEDED')
  assert.is(error.value, 513)
  await fails(model.generate('dog '.repeat(600)).result(), ContextError, 'CONTEXT_EXCEEDED')
  await fails(model.logits(ids), ContextError, 'CONTEXT_EXCEEDED')
  await usable()
})

sharedTest('memory that cannot be had is refused before any is created', async () => {
  const { Memory } = WebAssembly
  let created = 0
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      created++
      super(descriptor)
    }
  }
  try {
    const error = await fails(load(SMOLLM, { context: 16_000_000, inProcess: true }), MemoryError)
    assert.ok((error.value as number) > 4e9)
    await fails(load(STORIES, { maxSegmentBytes: 65536, inProcess: true }), MemoryError, 'SEGMENT_TOO_SMALL')
    assert.is(created, 0)
    const inspection = await inspect(SMOLLM, { context: 16_000_000 })
    assert.instance(inspection.problem, MemoryError)
  } finally {
    WebAssembly.Memory = Memory
  }
  await fails(load(SMOLLM, { context: 16_000_000, threads: 2 }), MemoryError)
  await usable()
})

test('memory that the engine refuses is a MemoryError with the bytes', async () => {
  const { Memory } = WebAssembly
  WebAssembly.Memory = function refuse(): never {
    throw new RangeError('could not allocate memory')
  } as unknown as typeof Memory
  try {
    const error = await fails(load(STORIES, { inProcess: true }), MemoryError, 'OUT_OF_MEMORY')
    assert.instance(error.cause, RangeError)
    assert.ok((error.value as number) > 500_000)
  } finally {
    WebAssembly.Memory = Memory
  }
  await usable()
})

test.run()
