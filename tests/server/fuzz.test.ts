/** 10,000 requests that are wrong in one way each: refused with the field's name, before anything reaches the model. */
import { load, type Model } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../js/sampler/random.ts'
import { check, type FieldRule } from '../../js/server/rules.ts'
import { ENDPOINTS } from '../../js/server/schemas.ts'
import { STORIES } from '../api-helpers.ts'

const COUNT = 10_000
const BODY_LIMIT = 20_000
/** Stands for a number that JSON can write and no float holds. */
const HUGE = '@huge'

const model = await load(STORIES, { threads: 1 })
test.after(() => model.close())

let calls = 0
const ACTIONS = [
  'generate',
  'chat',
  'createChat',
  'applyTemplate',
  'tokenize',
  'detokenize',
  'tokenBytes',
  'logits',
  'embed',
]
/** The model, with its calls counted. */
const watched = new Proxy(model, {
  get(target, name) {
    const value = Reflect.get(target, name, target) as unknown
    if (typeof value !== 'function') return value
    return (...args: unknown[]) => {
      if (ACTIONS.includes(String(name))) calls++
      return (value as (...args: unknown[]) => unknown).apply(target, args)
    }
  },
}) as Model
const handler = createHandler({ stories: watched }, { bodyLimit: BODY_LIMIT, apiKeys: [] })

const number = (low: number, high: number): unknown[] => [
  ...[low - 0.5, low - 1, high + 1, -1e308, 1e308, HUGE, `-${HUGE}`],
  ...['1', '', true, [], [1], {}, { valueOf: 1 }],
]
const integer = (low: number, high: number): unknown[] => [...number(low, high), low + 0.5, 1e-300, 9007199254740992]
const notText = [5, true, [], {}, [''], HUGE]
const notBoolean = [0, 1, 'true', '', [], {}]
const notObject = [0, 'x', true, [], [{}]]
const MOST = 2147483647

const BAD_GENERATION: Record<string, unknown[]> = {
  model: notText,
  stream: notBoolean,
  stream_options: notObject,
  timings_per_token: notBoolean,
  return_progress: notBoolean,
  sse_ping_interval: integer(-1, MOST),
  n: integer(1, 128),
  max_tokens: integer(-1, MOST),
  min_tokens: integer(0, 16777216),
  n_predict: integer(-1, MOST),
  stop: [5, true, {}, '', 'x'.repeat(1001), Array(17).fill('a')],
  ignore_eos: notBoolean,
  temperature: number(0, 2),
  top_p: number(0, 1),
  top_k: integer(-1, MOST),
  min_p: number(0, 1),
  typical_p: number(0, 1),
  top_n_sigma: number(-1, 100),
  min_keep: integer(0, MOST),
  repeat_penalty: number(0.01, 100),
  repeat_last_n: integer(-1, MOST),
  frequency_penalty: number(-2, 2),
  presence_penalty: number(-2, 2),
  dynatemp_range: number(0, 100),
  dynatemp_exponent: number(0, 100),
  dry_multiplier: number(0, 100),
  dry_base: number(-MOST, MOST),
  dry_allowed_length: integer(0, MOST),
  dry_penalty_last_n: integer(-1, MOST),
  dry_sequence_breakers: ['x', 5, {}, [''], [5], ['x'.repeat(41)], Array(101).fill('a')],
  xtc_probability: number(0, 1),
  xtc_threshold: number(0, 1),
  mirostat: integer(0, 2),
  mirostat_tau: number(0, 100),
  mirostat_eta: number(0, 100),
  adaptive_target: number(-MOST, 1),
  adaptive_decay: number(0, 0.99),
  logit_bias: [
    ...notObject,
    { x: 1 },
    { '05': 1 },
    { '-1': 1 },
    { 1: '1' },
    { 1: 101 },
    { 1: null },
    { 512: 1 },
    { 1: HUGE },
  ],
  seed: integer(-1, 4294967295),
  samplers: [5, true, {}, ['wizardry'], 'q', 'tz'],
  grammar: notText,
  json_schema: [5, '{}', []],
  n_keep: integer(-1, MOST),
  num_ctx: [...integer(0, MOST), 100_000],
  verbose: notBoolean,
}
const BAD_NATIVE: Record<string, unknown[]> = {
  ...BAD_GENERATION,
  temperature: number(0, MOST),
  frequency_penalty: number(-1000, 1000),
  presence_penalty: number(-1000, 1000),
  logit_bias: [
    0,
    'x',
    true,
    [[]],
    [[1, 2, 3]],
    [[-1, 1]],
    [[1, true]],
    { 1: true },
    { 1: '1' },
    { 512: 1 },
    [[512, 1]],
  ],
  max_completion_tokens: integer(-1, MOST),
  n_cmpl: integer(1, 128),
  n_probs: integer(0, 20),
  post_sampling_probs: notBoolean,
  id_slot: integer(-1, MOST),
  return_tokens: notBoolean,
  response_fields: ['x', 5, true, {}, Array(101).fill('a')],
}
const notNativePrompt = [5, true, {}, [], [[]], [1.5], [-1], [512], [{ prompt_string: 5 }], { content: [{}] }, [HUGE]]
const notMessages = [...notObject, [], {}, 'Hi', Array(5000).fill(0)].filter(
  (value) => JSON.stringify(value) !== '[{}]',
)
const BAD_TEMPLATE = {
  messages: notMessages,
  add_generation_prompt: notBoolean,
  continue_final_message: [5, 'yes', [], {}],
  chat_template_kwargs: notObject,
  reasoning_effort: [...notText, 'x'.repeat(65)],
}
const BAD_TOOLS = [5, {}, 'f', true]
const BAD: Record<string, Record<string, unknown[]>> = {
  chat: {
    ...BAD_GENERATION,
    ...BAD_TEMPLATE,
    max_completion_tokens: integer(-1, MOST),
    response_format: [5, 'json_object', true, []],
    logprobs: notBoolean,
    top_logprobs: integer(0, 20),
    tools: BAD_TOOLS,
    tool_choice: [5, 'always', true, []],
    parallel_tool_calls: notBoolean,
    functions: BAD_TOOLS,
    function_call: [5, 'required', true, []],
    reasoning_format: [5, 'loud', true, [], {}],
    n_probs: integer(0, 20),
  },
  completions: {
    ...BAD_GENERATION,
    prompt: [5, true, {}, [], [[]], [1.5], [-1], [512], [1, 'a'], [[1], 5], [HUGE], Array(65).fill('a')],
    echo: notBoolean,
    logprobs: integer(0, 20),
    n_probs: integer(0, 20),
  },
  embeddings: {
    input: [5, true, {}, [], [[]], [1.5], [-1], [512], [1, 'a'], [[1], 5], [HUGE], Array(2049).fill('a')],
    model: notText,
    encoding_format: ['', 'hex', 5, [], {}],
    dimensions: [...integer(1, MOST), 5],
  },
  native: { ...BAD_NATIVE, prompt: [...notNativePrompt, Array(65).fill('a')] },
  infill: {
    ...BAD_NATIVE,
    input_prefix: notText,
    input_suffix: notText,
    input_extra: [5, 'x', {}],
    prompt: notText,
  },
  nativeEmbeddings: {
    content: [...notNativePrompt, Array(2049).fill('a')],
    input: [...notNativePrompt, Array(2049).fill('a')],
    model: notText,
    embd_normalize: [0, 1, 3, '2', true],
  },
  tokenize: {
    model: notText,
    content: notText,
    add_special: notBoolean,
    parse_special: notBoolean,
    with_pieces: notBoolean,
  },
  detokenize: { model: notText, tokens: [5, 'a', true, {}, [1.5], [-1], [512], ['1'], [null], [HUGE]] },
  applyTemplate: { ...BAD_TEMPLATE, model: notText, tools: BAD_TOOLS, functions: BAD_TOOLS },
}
BAD.inputTokens = BAD.applyTemplate!
const notTools = [5, {}, 'f']
const notChoice = [5, true, [], 'any']
const { messages: _, ...BAD_PROMPT } = BAD_TEMPLATE
const BAD_RESPONSE: Record<string, unknown[]> = {
  ...BAD_PROMPT,
  input: [5, true, {}, [], Array(5000).fill(0)],
  instructions: notText,
  previous_response_id: [...notText, 'resp_0'],
  reasoning: [0, 'high', true, []],
  tools: notTools,
  tool_choice: notChoice,
  parallel_tool_calls: notBoolean,
}
BAD.responses = {
  ...BAD.chat!,
  ...BAD_RESPONSE,
  text: [5, 'json', true, []],
  max_output_tokens: integer(-1, MOST),
  include: [5, 'x', {}],
  metadata: notObject,
  store: notBoolean,
}
for (const name of ['messages', 'n', 'logprobs', 'functions', 'function_call']) delete BAD.responses[name]
BAD.responseTokens = { ...BAD_RESPONSE, model: notText }
BAD.countTokens = {
  model: notText,
  messages: notMessages,
  system: notText.filter((value) => !Array.isArray(value)),
  tools: notTools,
  tool_choice: [...notChoice, 'auto'],
  thinking: [5, true, [], 'on'],
  output_config: [0, 'x', true, []],
  chat_template_kwargs: notObject,
}
const { stop: ____, logit_bias: bias, ...OTHERS } = BAD_GENERATION
BAD.messages = {
  ...BAD.countTokens,
  ...Object.fromEntries(
    Object.keys(OTHERS)
      .filter((name) => name in ENDPOINTS.messages.takes)
      .map((name) => [name, OTHERS[name]!]),
  ),
  logit_bias: bias!,
  stop_sequences: [5, true, {}, 'x', Array(17).fill('a')],
}

/** Of one message in a list of two. */
const BAD_MESSAGE: [path: string, fields: object][] = [
  ['.role', { role: 'robot' }],
  ['.role', { role: '' }],
  ['.role', { role: 5 }],
  ['.role', { role: null }],
  ['.content', { content: 5 }],
  ['.content', { content: undefined }],
  ['.content', { content: {} }],
  ['.content[0].type', { content: [{ type: 'image_url', text: '' }] }],
  ['.content[0].text', { content: [{ type: 'text', text: 5 }] }],
  ['.content[1].text', { content: [{ type: 'text', text: 'a' }, { type: 'text' }] }],
  ['.content[0].size', { content: [{ type: 'text', text: 'a', size: 5 }] }],
  ['.name', { name: 'x'.repeat(65) }],
  ['.tool_calls', { tool_calls: 'x' }],
  ['.tool_calls[0].type', { tool_calls: [{ id: 'x', function: { name: 'f', arguments: '{}' } }] }],
  ['.tool_calls[0].function.arguments', { tool_calls: [{ type: 'function', function: { name: 'f' } }] }],
  ['.function_call', { function_call: 5 }],
  ['.mood', { mood: 'bad' }],
  ['', 'Hi' as never],
  ['', ['user', 'Hi']],
]

const GOOD: Record<string, Record<string, unknown>> = {
  chat: { messages: [{ role: 'user', content: 'Hi' }] },
  completions: { prompt: 'Hi' },
  embeddings: { input: 'Hi' },
  tokenize: { content: 'Hi' },
  detokenize: { tokens: [1, 2] },
  native: { prompt: 'Hi' },
  infill: { input_prefix: 'a', input_suffix: 'b' },
  nativeEmbeddings: { content: 'Hi' },
  applyTemplate: { messages: [{ role: 'user', content: 'Hi' }] },
  inputTokens: { messages: [{ role: 'user', content: 'Hi' }] },
  responses: { input: 'Hi' },
  messages: { messages: [{ role: 'user', content: 'Hi' }] },
  responseTokens: { input: 'Hi' },
  countTokens: { messages: [{ role: 'user', content: 'Hi' }] },
}
/** What may be there beside the fault. */
const OPTIONAL: Record<string, unknown> = {
  model: 'stories',
  temperature: 0.5,
  seed: 7,
  n: 2,
  stop: ['a', 'b'],
  max_tokens: 5,
  top_p: null,
  user: 'me',
  metadata: { a: [1] },
  logit_bias: { 5: -100 },
}
const STRANGE = [
  'wizardry',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '',
  'Temperature',
  'max_token',
  '🦙',
]

const generates = (name: string): boolean => ['chat', 'completions', 'native', 'infill'].includes(name)

/** Endpoints whose errors have Anthropic's form. */
const ANTHROPIC = ['messages', 'countTokens']

const random = new Random(20_26)
const pick = <T>(items: readonly T[]): T => items[Math.floor(random.uniform() * items.length)]!

interface Case {
  param: string
  body: string | Uint8Array<ArrayBuffer>
  status?: number
}

const json = (value: unknown): string =>
  JSON.stringify(value).replaceAll(`"-${HUGE}"`, '-1e999').replaceAll(`"${HUGE}"`, '1e999')

/** A body with the fault in it, its fields in any order. `JSON.stringify` would lose a `__proto__`. */
function bodyOf(name: string, fault: Record<string, unknown>, without?: string): string {
  const beside = generates(name) ? Object.entries(OPTIONAL).filter(() => random.uniform() < 0.3) : []
  const fields = new Map([...Object.entries(GOOD[name]!), ...beside, ...Object.entries(fault)])
  if (without !== undefined) fields.delete(without)
  const sorted = [...fields].map((field) => [random.uniform(), field] as const).sort(([a], [b]) => a - b)
  return `{${sorted.map(([, [key, value]]) => `${JSON.stringify(key)}:${json(value)}`).join(',')}}`
}

function badField(name: string): Case {
  const [param, values] = pick(Object.entries(BAD[name]!))
  return { param, body: bodyOf(name, { [param]: pick(values) }) }
}

const WAYS: ((name: string) => Case | undefined)[] = [
  badField,
  badField,
  badField,
  (name) => {
    const strange = pick(STRANGE)
    return {
      param: strange || 'body',
      body: bodyOf(name, Object.fromEntries([[strange, pick([1, false, 'x'])]])),
    }
  },
  (name) => {
    const entry = pick(Object.entries<FieldRule>(ENDPOINTS[name as 'chat'].refused))
    if (entry === undefined) return undefined
    const [refused, rule] = entry
    const value = pick([[{ a: 1 }], 'x', 5, true, 'high'])
    // Some of them ask for nothing.
    if ('value' in check(rule, value)) return undefined
    return { param: refused, body: bodyOf(name, { [refused]: value }) }
  },
  (name) => {
    const missing = Object.keys(GOOD[name]!)[0]!
    return { param: missing, body: bodyOf(name, {}, missing) }
  },
  (name) => {
    if (!('messages' in GOOD[name]!)) return undefined
    const isAnthropic = ANTHROPIC.includes(name)
    const [at, fields] = pick(BAD_MESSAGE.filter(([at]) => !isAnthropic || !at.startsWith('.tool_calls[')))
    const i = Math.floor(random.uniform() * 2)
    const wrong =
      typeof fields === 'object' && !Array.isArray(fields) ? { role: 'user', content: 'Hi', ...fields } : fields
    const messages = [{ role: 'user', content: 'Hi' }, wrong]
    return {
      param: `messages[${i}]${at}`,
      body: bodyOf(name, { messages: i ? messages : messages.reverse() }),
    }
  },
  (name) => {
    const { takes, idle } = ENDPOINTS[name as 'chat']
    if (!('stop' in { ...takes, ...idle })) return undefined
    const [param, options] = pick<[string, unknown]>([
      ['stream_options.include_usage', { include_usage: 'yes' }],
      ['stream_options.everything', { everything: true }],
      ['stop[1]', 0],
    ])
    if (options === 0) return { param, body: bodyOf(name, { stop: ['a', pick<unknown>(['', 5, null, {}])] }) }
    return { param, body: bodyOf(name, { stream: true, stream_options: options }) }
  },
  (name) => {
    const body = bodyOf(name, {})
    return { param: 'body', body: body.slice(0, Math.floor(random.uniform() * body.length)) }
  },
  (name) => {
    const bytes = new TextEncoder().encode(bodyOf(name, {}))
    bytes[Math.floor(random.uniform() * bytes.length)] = pick([0xff, 0xc0, 0x80, 0xf8])
    return { param: 'body', body: bytes }
  },
  () => ({
    path: '',
    param: 'body',
    body: pick(['null', '5', '"x"', '[]', '[{}]', 'true', '', '{}}', '[[[[[[', '{"a":1,}']),
  }),
  (name) => ({ param: 'body', status: 413, body: `${' '.repeat(BODY_LIMIT)}${bodyOf(name, {})}` }),
]

test('every field has values that are wrong', () => {
  for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
    assert.equal(Object.keys(BAD[name]!).sort(), Object.keys(endpoint.takes).sort(), name)
  }
})

test(`${COUNT} malformed requests are refused by the field, and the model hears of none`, async () => {
  const story = { temperature: 0, maxTokens: 20 }
  const before = await model.generate('Once upon a time', story).result()
  const names = Object.keys(ENDPOINTS) as (keyof typeof ENDPOINTS)[]
  for (let i = 0; i < COUNT; ) {
    const name = pick(names)
    const made = pick(WAYS)(name)
    if (!made) continue
    i++
    const { param, body, status = 400 } = made
    const { path } = ENDPOINTS[name]
    const response = await handler(new Request(`http://localhost${path}`, { method: 'POST', body }))
    const shown = `${path} ${param}: ${typeof body === 'string' ? body.slice(0, 500) : Buffer.from(body).toString('latin1')}`
    const { error } = (await response.json()) as {
      error: { param: string; message: string; code: string; type: string; details?: Record<string, string> }
    }
    const isAnthropic = ANTHROPIC.includes(name)
    const at = isAnthropic ? error.details?.param : error.param
    assert.equal([response.status, at], [status, param], `${shown}\n${JSON.stringify(error)}`)
    assert.is(error.type, isAnthropic && status === 413 ? 'request_too_large' : 'invalid_request_error', shown)
    assert.match(error.message, /^\S.*\.$/s, shown)
    assert.match((isAnthropic ? error.details?.error_code : error.code)!, /^[a-z_]+$/, shown)
  }
  assert.is(calls, 0)
  const after = await model.generate('Once upon a time', story).result()
  assert.equal([after.text, after.ids], [before.text, before.ids])
  // Nothing but this test has used its cache.
  assert.is(after.cachedTokens, after.promptTokens - 1)
})

test('the same bodies without a fault are answered', async () => {
  for (const [name, { path }] of Object.entries(ENDPOINTS)) {
    const body = json({ ...GOOD[name], ...(generates(name) && OPTIONAL) })
    const response = await handler(new Request(`http://localhost${path}`, { method: 'POST', body }))
    // This model has no tokens for it.
    assert.is(response.status, name === 'infill' ? 501 : 200, await response.text())
  }
  assert.ok(calls > 0)
})

test.run()
