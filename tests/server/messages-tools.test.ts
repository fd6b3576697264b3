/** Tools and thinking in `/v1/messages`. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tool, toolTest } from '../package-home.ts'
import { ask, post } from './helpers.ts'
import { answersOf, firstSeed, type Json, QUESTION, TOOLS, toolModel } from './tool-model.ts'

const { model, handler } = await toolModel()
test.after(() => model.close())

const NONE = { type: 'object', properties: {}, additionalProperties: false }
const DESCRIBED = TOOLS.map(({ function: { parameters = NONE, ...described } }) => ({
  ...described,
  input_schema: parameters,
}))
/** The same as chat completions take them. */
const NESTED = DESCRIBED.map(({ input_schema: parameters, ...described }) => ({
  type: 'function',
  function: { ...described, parameters },
}))
const ASKED = {
  messages: [QUESTION],
  tools: DESCRIBED,
  tool_choice: { type: 'any', disable_parallel_tool_use: true },
  max_tokens: 400,
  temperature: 1.2,
  thinking: { type: 'disabled' },
}

const answerTo = answersOf(handler, '/v1/messages', ASKED)
const eventsOf = async (fields: object): Promise<Json[]> => {
  const response = await handler(post('/v1/messages', { ...ASKED, ...fields, stream: true }))
  return Array.from((await response.text()).matchAll(/^data: (.*)$/gm), ([, data]) => JSON.parse(data!))
}

const calling = (fields: object = {}) =>
  firstSeed(async (seed) => {
    const message = await answerTo({ seed, ...fields })
    return message.stop_reason === 'tool_use' ? { message, call: message.content.at(-1) as Json } : undefined
  })

test('a call is a block, whole and streamed, and the one of chat completions', async () => {
  const { seed, message, call } = await calling()
  assert.equal([call.type, message.stop_sequence], ['tool_use', null])
  const chat = await ask(
    handler,
    post('/v1/chat/completions', {
      ...{ messages: [QUESTION], tools: NESTED, tool_choice: 'required', parallel_tool_calls: false, seed },
      ...{ max_tokens: 400, temperature: 1.2, reasoning_effort: 'none' },
    }),
  )
  const [{ function: called }] = chat.body.choices[0].message.tool_calls
  assert.equal([call.name, call.input], [called.name, JSON.parse(called.arguments)])

  const events = await eventsOf({ seed })
  const begun = events.find(({ content_block: block }) => block?.type === 'tool_use')!
  assert.equal([begun.content_block.name, begun.content_block.input], [call.name, {}])
  const pieces = events.filter(({ delta }) => delta?.type === 'input_json_delta')
  assert.equal(JSON.parse(pieces.map(({ delta }) => delta.partial_json).join('')), call.input)
  for (const { index } of pieces) assert.is(index, begun.index)
  assert.is(events.at(-2)!.delta.stop_reason, 'tool_use')
})

test('a result goes back in, and the answer follows', async () => {
  const { message, call } = await calling()
  const result = { type: 'tool_result', tool_use_id: call.id, content: 'Sunny.' }
  const messages = [QUESTION, { role: 'assistant', content: message.content }, { role: 'user', content: [result] }]
  const after = await answerTo({ messages, tool_choice: { type: 'none' }, temperature: 0, max_tokens: 5 })
  assert.is(after.content[0].type, 'text')
})

test('one tool by name; parameters that are none', async () => {
  const { call } = await calling({ tool_choice: { type: 'tool', name: 'now', disable_parallel_tool_use: true } })
  assert.equal([call.name, call.input], ['now', {}])
})

test('thinking is a block of its own, or not shown', async () => {
  const begun = { role: 'assistant', content: [{ type: 'thinking', thinking: 'One day', signature: '' }] }
  const fields = {
    ...{ messages: [QUESTION, begun], tools: [], tool_choice: undefined, temperature: 0, max_tokens: 12 },
    thinking: { type: 'enabled', budget_tokens: 1024 },
  }
  const { content, stop_reason: reason } = await answerTo(fields)
  assert.equal([content.length, content[0].type, content[0].signature, reason], [1, 'thinking', '', 'max_tokens'])
  const events = await eventsOf(fields)
  const kinds = events.map(({ type, delta }) => delta?.type ?? type).filter((kind, i, all) => kind !== all[i - 1])
  assert.equal(kinds, [
    ...['message_start', 'content_block_start', 'thinking_delta', 'signature_delta', 'content_block_stop'],
    ...['message_delta', 'message_stop'],
  ])
  assert.is(events.map(({ delta }) => delta?.thinking ?? '').join(''), content[0].thinking)
  const omitted = { ...fields, thinking: { type: 'adaptive', display: 'omitted' } }
  assert.equal((await answerTo(omitted)).content, [])
  const left = (await eventsOf(omitted)).map(({ type }) => type)
  assert.equal(left, ['message_start', 'message_delta', 'message_stop'])
})

test('what is wrong is told by its field', async () => {
  const bad = { type: 'object', properties: { x: { type: 'string', pattern: '(' } } }
  for (const [fields, param] of [
    [{ tools: [] }, 'tool_choice'],
    [{ tool_choice: { type: 'tool', name: 'nobody' } }, 'tool_choice'],
    [{ tools: [{ name: 'f', input_schema: bad }] }, 'tools'],
    [{ tools: [DESCRIBED[0], DESCRIBED[0]] }, 'tools'],
  ] as const) {
    const { status, body } = await ask(handler, post('/v1/messages', { ...ASKED, ...fields }))
    assert.equal([status, body.error.details?.param], [400, param], JSON.stringify(body))
  }
})

toolTest(
  'the Anthropic client: a call, its result, and the stream of both',
  '@anthropic-ai/sdk/index.mjs',
  async () => {
    const { default: Anthropic } = await import(tool('@anthropic-ai/sdk/index.mjs'))
    const fetch = (url: string, init: RequestInit): Promise<Response> => handler(new Request(url, init))
    const client = new Anthropic({ baseURL: 'http://localhost', apiKey: 'none', fetch, maxRetries: 0 })
    const { seed, call } = await calling()
    const stream = client.messages.stream({ model: 'any', ...ASKED, seed })
    const message = await stream.finalMessage()
    const called = message.content.at(-1)
    assert.equal([called.name, called.input, message.stop_reason], [call.name, call.input, 'tool_use'])
    const result = { type: 'tool_result', tool_use_id: called.id, content: 'Sunny.' }
    const messages = [QUESTION, { role: 'assistant', content: message.content }, { role: 'user', content: [result] }]
    const choice = { type: 'none' }
    const after = await client.messages.create({ model: 'any', ...ASKED, messages, tool_choice: choice, max_tokens: 4 })
    assert.is(after.content[0].type, 'text')
  },
)

test.run()
