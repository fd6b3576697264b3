/** `/v1/responses`: OpenAI's Responses API, by itself and as OpenAI's client reads it. */
import {
  ArgumentError,
  type ChatDelta,
  type GenerateOptions,
  type GenerateResult,
  type Generation,
  load,
  WorkerError,
} from 'cria'
import { createHandler, type Handler, type HandlerOptions } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AnswerParts } from '../../js/server/parts.ts'
import { type ChatItem, messagesOf } from '../../js/server/response-rules.ts'
import { fails, STORIES } from '../api-helpers.ts'
import { tool, toolTest } from '../package-home.ts'
import { type Answer, ask, dataOf, get, post } from './helpers.ts'

const model = await load(STORIES, { threads: 1, onWarning: () => {} })
test.after(() => model.close())

const serve = (options: HandlerOptions = {}): Handler => createHandler({ stories: model }, options)
const handler = serve()
const FEW = { temperature: 0, max_output_tokens: 12 }
const answerTo = (fields: object, by = handler): Promise<Answer> =>
  ask(by, post('/v1/responses', { ...FEW, ...fields }))
const chatWith = async (messages: object[], more: object = {}): Promise<string> => {
  const { body } = await ask(
    handler,
    post('/v1/chat/completions', { messages, temperature: 0, max_tokens: 12, ...more }),
  )
  return body.choices[0].message.content
}
const textOf = ({ body }: Answer): string => body.output[0].content[0].text
const HI = { role: 'user', content: 'Hi' }

// biome-ignore lint/suspicious/noExplicitAny: any event
type Event = Record<string, any>
const eventsOf = async (response: Response): Promise<Event[]> => dataOf(await response.text()).map(parsed)
/** Of a named event. */
function parsed(event: string): Event {
  const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(event)!
  const read = JSON.parse(data!) as Event
  assert.is(read.type, name)
  return read
}

test('a text, and items, are the chat that they stand for', async () => {
  const asText = await answerTo({ input: 'Hi', instructions: 'Be terse.' })
  const messages = [{ role: 'system', content: 'Be terse.' }, HI]
  assert.is(textOf(asText), await chatWith(messages))
  for (const input of [
    [HI],
    [{ type: 'message', ...HI, status: 'completed' }],
    [{ role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }],
  ]) {
    assert.is(textOf(await answerTo({ input, instructions: 'Be terse.' })), textOf(asText))
  }
  const { id, output, usage, timings, created_at, ...body } = asText.body
  assert.match(id, /^resp_\w+$/)
  assert.match(output[0].id, /^msg_\w+$/)
  assert.equal(Object.keys(usage).sort(), [
    'input_tokens',
    'input_tokens_details',
    'output_tokens',
    'output_tokens_details',
    'total_tokens',
  ])
  assert.is(usage.total_tokens, usage.input_tokens + usage.output_tokens)
  assert.equal([body.status, body.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }])
  assert.equal([body.model, body.instructions, body.object], ['stories', 'Be terse.', 'response'])
  assert.equal([body.temperature, body.top_p, body.max_output_tokens], [0, 0.95, 12])
  assert.ok(timings.predicted_n > 0 && created_at > 0)
})

test('items of a turn become one message of the assistant', () => {
  const call = (id: string): ChatItem => ({ type: 'function_call', call_id: id, name: 'f', arguments: `{"a":"${id}"}` })
  const items: ChatItem[] = [
    { role: 'developer', content: 'd' },
    { role: 'user', content: [{ text: 'a' }, { text: 'b' }] },
    { type: 'reasoning', content: [{ text: 'hm' }], summary: [{ text: 'not this' }] },
    { type: 'message', role: 'assistant', content: [{ text: 'Let ' }, { text: 'me.' }] },
    call('x'),
    call('y'),
    { type: 'function_call_output', call_id: 'x', output: '1' },
    { type: 'function_call_output', call_id: 'y', output: [{ text: '2' }] },
    { type: 'reasoning', summary: [{ text: 'so' }] },
    { role: 'assistant', content: 'Both.' },
  ]
  const toolCall = (id: string): object => ({
    id,
    type: 'function',
    function: { name: 'f', arguments: `{"a":"${id}"}` },
  })
  assert.equal(messagesOf(items), [
    { role: 'developer', content: 'd' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    { role: 'assistant', content: 'Let me.', reasoning_content: 'hm', tool_calls: [toolCall('x'), toolCall('y')] },
    { role: 'tool', tool_call_id: 'x', content: '1' },
    { role: 'tool', tool_call_id: 'y', content: '2' },
    { role: 'assistant', content: 'Both.', reasoning_content: 'so' },
  ])
})

test('an answer is gone on from, read, listed and deleted by its id', async () => {
  const first = await answerTo({ input: 'Hi', instructions: 'Be terse.', metadata: { a: 'b' } })
  const second = await answerTo({ input: 'More', previous_response_id: first.body.id })
  const third = await answerTo({ input: 'Still', previous_response_id: second.body.id, store: false })
  const turns = [HI, { role: 'assistant', content: textOf(first) }, { role: 'user', content: 'More' }]
  // Without the instructions of the answer before.
  assert.is(textOf(second), await chatWith(turns))
  const more = [...turns, { role: 'assistant', content: textOf(second) }, { role: 'user', content: 'Still' }]
  assert.is(textOf(third), await chatWith(more))
  assert.is(second.body.previous_response_id, first.body.id)
  const kept = await ask(handler, get(`/v1/responses/${first.body.id}`))
  const { timings: _, ...whole } = first.body
  assert.equal(kept.body, whole)
  assert.equal(kept.body.metadata, { a: 'b' })

  const items = async (query: string): Promise<Answer['body']> =>
    (await ask(handler, get(`/responses/${second.body.id}/input_items${query}`))).body
  const ascending = await items('?order=asc')
  assert.equal(
    ascending.data.map(({ role, content }: Event) => [role, content[0].text]),
    turns.map(({ role, content }) => [role, content]),
  )
  assert.equal([ascending.has_more, ascending.object], [false, 'list'])
  const page = await items('?limit=2')
  assert.equal(page.data, [...ascending.data].reverse().slice(0, 2))
  assert.equal([page.has_more, page.first_id, page.last_id], [true, ascending.data[2].id, ascending.data[1].id])
  assert.equal((await items(`?limit=2&after=${page.last_id}`)).data, [ascending.data[0]])
  for (const query of ['?order=up', '?limit=0', '?limit=x', '?after=none']) assert.ok((await items(query)).error, query)

  const remove = new Request(`http://localhost/v1/responses/${first.body.id}`, { method: 'DELETE' })
  assert.equal((await ask(handler, remove.clone())).body, { id: first.body.id, object: 'response', deleted: true })
  assert.is((await ask(handler, remove)).status, 404)
  assert.is((await ask(handler, get(`/v1/responses/${first.body.id}`))).status, 404)
  // The second has all that it needs.
  assert.is(textOf(await answerTo({ input: 'Still', previous_response_id: second.body.id })), textOf(third))
  const gone = await answerTo({ input: 'More', previous_response_id: third.body.id })
  assert.equal([gone.status, gone.body.error.code], [400, 'previous_response_not_found'])
  assert.is((await ask(handler, get(`/v1/responses/${second.body.id}?stream=true`))).body.error.param, 'stream')
})

test('an item may be named where the server has it', async () => {
  const first = await answerTo({ input: 'Hi' })
  const reference = { type: 'item_reference', id: first.body.output[0].id }
  const named = await answerTo({ input: [HI, reference, { role: 'user', content: 'More' }] })
  const turns = [HI, { role: 'assistant', content: textOf(first) }, { role: 'user', content: 'More' }]
  assert.is(textOf(named), await chatWith(turns))
  const { body } = await answerTo({ input: [HI, { type: 'item_reference', id: 'none' }] })
  assert.is(body.error.param, 'input[1].id')
})

test('answers are kept within limits, those used last', async () => {
  const few = serve({ storedResponses: { count: 2 } })
  const status = async (by: Handler, id: string): Promise<number> => (await ask(by, get(`/v1/responses/${id}`))).status
  const ids: string[] = []
  for (const input of ['a', 'b', 'c']) {
    ids.push((await answerTo({ input }, few)).body.id)
    await status(few, ids[0]!)
  }
  assert.equal(await Promise.all(ids.map((id) => status(few, id))), [200, 404, 200])
  const small = serve({ storedResponses: { bytes: 10_000 } })
  const { body } = await answerTo({ input: 'a' }, small)
  assert.is(await status(small, body.id), 200)
  // It alone takes less.
  await answerTo({ input: 'b', metadata: { long: 'x'.repeat(3000) } }, small)
  assert.is(await status(small, body.id), 404)
  const none = serve({ storedResponses: { count: 0 } })
  assert.is(await status(none, (await answerTo({ input: 'a' }, none)).body.id), 404)
  for (const storedResponses of [{ count: -1 }, { bytes: 0.5 }, { age: 5 }, 7]) {
    await fails(() => serve({ storedResponses } as HandlerOptions), ArgumentError, 'INVALID_OPTION')
  }
})

test('text.format says what the text has to be', async () => {
  const schema = {
    type: 'object',
    properties: { a: { enum: ['x', 'y'] } },
    required: ['a'],
    additionalProperties: false,
  }
  const format = { type: 'json_schema', name: 'letters', strict: true, schema }
  const json = await answerTo({ input: 'Hi', text: { format }, max_output_tokens: 50 })
  assert.match(textOf(json), /^\s*\{\s*"a"\s*:\s*"[xy]"\s*\}\s*$/)
  assert.equal([json.body.status, json.body.text], ['completed', { format }])
  assert.ok(json.body.completed_at >= json.body.created_at)
  const plain = await answerTo({ input: 'Hi', text: { format: { type: 'text' }, verbosity: 'medium' } })
  assert.is(textOf(plain), await chatWith([HI]))
  const wrong = { type: 'json_schema', name: 'x', schema: { type: 'text' } }
  for (const [fields, param] of [
    [{ text: { format: wrong } }, 'text.format'],
    [{ text: { format }, grammar: 'root ::= "a"' }, 'grammar'],
    [{ text: { format: { type: 'grammar' } } }, 'text.format.type'],
    [{ text: { format: { type: 'json_schema', name: 'x' } } }, 'text.format.schema'],
    [{ text: { verbosity: 'low' } }, 'text.verbosity'],
  ] as const) {
    const { status, body } = await answerTo({ input: 'Hi', ...fields })
    assert.equal([status, body.error.param], [400, param])
  }
})

test('what is not supported is refused by name, and what asks for nothing accepted', async () => {
  for (const [fields, param] of [
    [{ background: true }, 'background'],
    [{ conversation: 'conv_1' }, 'conversation'],
    [{ truncation: 'auto' }, 'truncation'],
    [{ prompt: { id: 'p' } }, 'prompt'],
    [{ n: 2 }, 'n'],
    [{ include: ['wizardry'] }, 'include[0]'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].name'],
    [{ tool_choice: { type: 'mcp' } }, 'tool_choice.type'],
    [{ tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] } }, 'tool_choice'],
    [{ reasoning: { mode: 'pro' } }, 'reasoning.mode'],
    [{ input: [{ type: 'computer_call' }] }, 'input[0].type'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0].type'],
    [{ input: [{ type: 'function_call', call_id: 'x' }] }, 'input[0].name'],
    [{ input: [{ role: 'user' }] }, 'input[0].content'],
    [{ input: undefined }, 'input'],
    // The assistant has called, and nothing has answered.
    [{ input: [{ type: 'function_call', call_id: 'x', name: 'f', arguments: '{}' }] }, 'input'],
    [{ input: 'word '.repeat(2000) }, 'input'],
  ] as const) {
    const { status, body } = await answerTo({ input: 'Hi', ...fields })
    assert.equal([status, body.error.param], [400, param], JSON.stringify(body))
  }
  const { status } = await answerTo({
    ...{ input: 'Hi', background: false, truncation: 'disabled', service_tier: 'auto', user: 'me', n: 1 },
    ...{ include: ['reasoning.encrypted_content'], reasoning: { effort: null, summary: 'auto' }, tools: [] },
    ...{ prompt_cache_key: 'x', parallel_tool_calls: true, tool_choice: 'auto', conversation: null },
  })
  assert.is(status, 200)
})

test('a stream has typed events, numbered, and the answer at its end', async () => {
  const whole = await answerTo({ input: 'Hi', include: ['message.output_text.logprobs'], top_logprobs: 1 })
  const body = { ...FEW, input: 'Hi', stream: true, return_progress: true, timings_per_token: true, top_logprobs: 1 }
  const events = await eventsOf(await handler(post('/v1/responses', body)))
  assert.equal(
    events.map((event) => event.sequence_number),
    events.map((_, i) => i),
  )
  const types = events.map(({ type }) => type.replace('response.', '')).filter((type, i, all) => type !== all[i - 1])
  assert.equal(types, [
    'created',
    'in_progress',
    'output_item.added',
    'content_part.added',
    'output_text.delta',
    'output_text.done',
    'content_part.done',
    'output_item.done',
    'incomplete',
  ])
  const of = (type: string): Event[] => events.filter((event) => event.type === `response.${type}`)
  const { response, timings } = events.at(-1)!
  assert.is(
    of('output_text.delta')
      .map(({ delta }) => delta)
      .join(''),
    textOf(whole),
  )
  assert.equal(
    of('output_text.delta').flatMap(({ logprobs }) => logprobs),
    whole.body.output[0].content[0].logprobs,
  )
  assert.equal(response.output[0].content, whole.body.output[0].content)
  assert.equal(of('output_item.done')[0]!.item, response.output[0])
  assert.ok(of('in_progress').some((event) => event.prompt_progress?.total > 0))
  assert.ok(of('output_text.delta').every((event) => event.timings.predicted_n > 0))
  assert.ok(timings.predicted_n > 0)
  for (const { item_id: id } of of('output_text.delta')) assert.is(id, response.output[0].id)
  assert.equal((await ask(handler, get(`/v1/responses/${response.id}`))).body, response)
})

test('a stream that fails says so in a response', async () => {
  const generation = (options: GenerateOptions): Generation => {
    const failure = Promise.reject(new WorkerError('WORKER_FAILED', 'It is gone.'))
    failure.catch(() => {})
    async function* deltas(): AsyncGenerator<ChatDelta, void, undefined> {
      options.onPrompt?.({ done: 0, total: 3 })
      options.onToken?.({ id: 4, text: 'a' })
      options.onDelta?.({ content: 'a' })
      yield { content: 'a' }
      await failure
    }
    async function* texts(): AsyncGenerator<string, void, undefined> {
      for await (const { content } of deltas()) yield content!
    }
    return { [Symbol.asyncIterator]: texts, deltas, result: () => failure }
  }
  const broken = new Proxy(model, {
    get: (target, name) =>
      name === 'chat'
        ? (_: unknown, options: GenerateOptions) => generation(options)
        : Reflect.get(target, name, target),
  })
  const failing = createHandler({ stories: broken }, { onError: () => {} })
  const events = await eventsOf(await failing(post('/v1/responses', { input: 'Hi', stream: true })))
  const { type, response } = events.at(-1)!
  assert.equal([type, response.status, response.error.code], ['response.failed', 'failed', 'server_error'])
  assert.is(events[0]!.type, 'response.created')
  assert.is((await ask(failing, get(`/v1/responses/${response.id}`))).status, 404)
  const whole = await ask(failing, post('/v1/responses', { input: 'Hi' }))
  assert.equal([whole.status, whole.body.error.code], [503, 'worker_failed'])
})

test('parts of an answer follow one another', () => {
  const said: string[] = []
  const say = (what: string) => (part: { kind: string }, index: number, text?: unknown) => {
    said.push([what, part.kind, index, ...(typeof text === 'string' ? [text] : [])].join(' '))
    return []
  }
  const parts = new AnswerParts({ open: say('open'), delta: say('delta'), close: say('close') })
  for (const delta of [
    { reasoning: 'a' },
    { reasoning: 'b', content: 'c' },
    { toolCall: { index: 0, id: 'x', name: 'f', arguments: '' } },
    { toolCall: { index: 0, arguments: '{' } },
    { toolCall: { index: 0, arguments: '}' } },
    { toolCall: { index: 1, id: 'y', name: 'g', arguments: '{}' } },
    { content: 'd' },
  ]) {
    parts.add({ delta, logprobs: [] })
  }
  parts.add({ logprobs: [], result: { finishReason: 'stop' } as GenerateResult })
  assert.equal(said, [
    ...['open reasoning 0', 'delta reasoning 0 a', 'delta reasoning 0 b', 'close reasoning 0'],
    ...['open text 1', 'delta text 1 c', 'close text 1'],
    ...['open call 2', 'delta call 2 {', 'delta call 2 }', 'close call 2'],
    ...['open call 3', 'delta call 3 {}', 'close call 3', 'open text 4', 'delta text 4 d', 'close text 4'],
  ])
  assert.equal(
    parts.all.map(({ kind, text, id, name }) => [kind, text, id, name].filter(Boolean).join(' ')),
    ['reasoning ab', 'text c', 'call {} x f', 'call {} y g', 'text d'],
  )
})

test('tokens are counted without an answer', async () => {
  const counted = await ask(
    handler,
    post('/v1/responses/input_tokens', { input: 'Hi', max_output_tokens: 3, text: {} }),
  )
  const { body } = await answerTo({ input: 'Hi' })
  assert.equal(counted.body, { object: 'response.input_tokens', input_tokens: body.usage.input_tokens })
})

toolTest('the openai client: create, stream, retrieve, input items, delete', 'openai/index.mjs', async () => {
  const { default: OpenAI } = await import(tool('openai/index.mjs'))
  const fetch = (url: string, init: RequestInit): Promise<Response> => handler(new Request(url, init))
  const client = new OpenAI({ baseURL: 'http://localhost/v1', apiKey: 'none', fetch, maxRetries: 0 })
  const request = { model: 'any', input: 'Hi', ...FEW }
  const response = await client.responses.create(request)
  assert.is(response.output_text, await chatWith([HI]))
  const stream = client.responses.stream({ ...request, previous_response_id: response.id })
  let text = ''
  for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
  const last = await stream.finalResponse()
  assert.equal([last.output_text, last.status], [text, 'incomplete'])
  assert.equal(
    (await client.responses.retrieve(last.id)).output,
    last.output.map(
      ({ parsed: _, ...item }: Event) =>
        item && { ...item, content: item.content.map(({ parsed: _, ...part }: Event) => part) },
    ),
  )
  const items: Event[] = []
  for await (const item of client.responses.inputItems.list(last.id, { limit: 1 })) items.push(item)
  assert.equal(
    items.map(({ role }) => role),
    ['user', 'assistant', 'user'],
  )
  await client.responses.delete(last.id)
  const error = await client.responses.retrieve(last.id).catch((thrown: Event) => thrown)
  assert.equal([error.constructor.name, error.code], ['NotFoundError', 'response_not_found'])
})

test.run()
