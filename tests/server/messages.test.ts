/** `/v1/messages`: Anthropic's Messages API, by itself and as Anthropic's client reads it. */
import { load } from 'cria'
import { createHandler, type Handler, type HandlerOptions } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { anthropicChat } from '../../js/server/anthropic.ts'
import { check } from '../../js/server/rules.ts'
import { type AnthropicBody, ENDPOINTS } from '../../js/server/schemas.ts'
import { STORIES } from '../api-helpers.ts'
import { tool, toolTest } from '../package-home.ts'
import { type Answer, ask, get, post } from './helpers.ts'

const model = await load(STORIES, { threads: 1, onWarning: () => {} })
test.after(() => model.close())

const serve = (options: HandlerOptions = {}): Handler => createHandler({ stories: model }, options)
const handler = serve()
const FEW = { temperature: 0, max_tokens: 12 }
const HI = { role: 'user', content: 'Hi' }
const answerTo = (fields: object, by = handler): Promise<Answer> =>
  ask(by, post('/v1/messages', { messages: [HI], ...FEW, ...fields }))
const chatWith = async (messages: object[], more: object = {}): Promise<string> => {
  const { body } = await ask(handler, post('/v1/chat/completions', { messages, ...FEW, ...more }))
  return body.choices[0].message.content
}
const textOf = ({ body }: Answer): string => body.content[0].text
/** As a chat. */
const chatOf = (body: object) => {
  const result = check(ENDPOINTS.messages.body, { messages: [HI], ...body })
  assert.ok('value' in result, JSON.stringify(result))
  return anthropicChat(result.value as AnthropicBody)
}

// biome-ignore lint/suspicious/noExplicitAny: any event
type Event = Record<string, any>
/** Those of a stream, by the names that they have. */
const eventsOf = async (response: Response): Promise<Event[]> =>
  Array.from((await response.text()).matchAll(/^event: (\S+)\ndata: (.*)$/gm), ([, name, data]) => {
    const event = JSON.parse(data!) as Event
    assert.is(event.type, name)
    return event
  })

test('messages are the chat that they stand for', async () => {
  const { body } = await answerTo({ system: 'Be terse.' })
  const messages = [{ role: 'system', content: 'Be terse.' }, HI]
  assert.is(body.content[0].text, await chatWith(messages))
  const { id, content, usage, ...rest } = body
  assert.match(id, /^msg_\w+$/)
  assert.equal(rest, {
    ...{ type: 'message', role: 'assistant', model: 'stories' },
    ...{ stop_reason: 'max_tokens', stop_sequence: null },
  })
  assert.is(usage.output_tokens, 12)
  const again = await answerTo({ system: [{ type: 'text', text: 'Be terse.', cache_control: { type: 'ephemeral' } }] })
  assert.equal(again.body.content, content)
  assert.ok(again.body.usage.cache_read_input_tokens > 0)
  const all = ({ input_tokens: read, cache_read_input_tokens: cached }: typeof usage): number => read + cached
  assert.is(all(again.body.usage), all(usage))
  const begun = await answerTo({ messages: [HI, { role: 'assistant', content: 'Once' }] })
  assert.is(textOf(begun), await chatWith([HI, { role: 'assistant', content: 'Once' }]))
})

test('blocks become messages, and each result one of its own', () => {
  const { messages } = chatOf({
    system: [
      { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1; cch=a5145;You are ' },
      { type: 'text', text: 'terse.' },
    ],
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'redacted_thinking', data: 'x' },
          { type: 'text', text: 'Let me.' },
          { type: 'tool_use', id: 'x', name: 'f', input: { a: 1 } },
          { type: 'tool_use', id: 'y', name: 'g', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'x', content: '1' },
          { type: 'tool_result', tool_use_id: 'y', content: [{ type: 'text', text: '2' }], is_error: true },
          { type: 'tool_result', tool_use_id: 'z' },
          { type: 'text', text: 'And?' },
        ],
      },
      { role: 'assistant', content: [] },
    ],
  })
  const call = (id: string, name: string, given: string): object => ({
    ...{ id, type: 'function', function: { name, arguments: given } },
  })
  assert.equal(messages, [
    { role: 'system', content: 'x-anthropic-billing-header: cc_version=2.1; cch=fffff;You are terse.' },
    { role: 'user', content: [{ type: 'text', text: 'a' }] },
    {
      role: 'assistant',
      content: [{ type: 'text', text: 'Let me.' }],
      reasoning_content: 'hm',
      tool_calls: [call('x', 'f', '{"a":1}'), call('y', 'g', '{}')],
    },
    { role: 'tool', tool_call_id: 'x', content: '1' },
    { role: 'tool', tool_call_id: 'y', content: '2' },
    { role: 'tool', tool_call_id: 'z', content: '' },
    { role: 'user', content: [{ type: 'text', text: 'And?' }] },
    { role: 'assistant', content: '' },
  ])
})

test('tools, choices, thinking and output_config are those of chats', () => {
  const schema = { type: 'object', properties: {} }
  const { tools } = chatOf({
    tools: [
      { name: 'f', description: 'F.', input_schema: schema, cache_control: { type: 'ephemeral' } },
      { type: 'custom', name: 'g', input_schema: schema, strict: true },
    ],
  })
  assert.equal(tools, [
    { type: 'function', function: { name: 'f', description: 'F.', parameters: schema } },
    { type: 'function', function: { name: 'g', strict: true, parameters: schema } },
  ])
  const chosen = (tool_choice: object): unknown[] => {
    const { tool_choice: choice, parallel_tool_calls: several } = chatOf({ tool_choice }) as Event
    return [choice, several]
  }
  assert.equal(chosen({ type: 'auto' }), ['auto', undefined])
  assert.equal(chosen({ type: 'any', disable_parallel_tool_use: true }), ['required', false])
  assert.equal(chosen({ type: 'none' }), ['none', undefined])
  assert.equal(chosen({ type: 'tool', name: 'f' }), [{ type: 'function', function: { name: 'f' } }, undefined])
  const template = (fields: object): unknown[] => {
    const { reasoning_effort: effort, chat_template_kwargs: variables } = chatOf(fields)
    return [effort, variables]
  }
  assert.equal(template({}), [undefined, undefined])
  assert.equal(template({ thinking: { type: 'disabled' } }), ['none', undefined])
  assert.equal(template({ thinking: { type: 'enabled', budget_tokens: 1024 } }), [undefined, { enable_thinking: true }])
  assert.equal(template({ thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }), [
    'low',
    { enable_thinking: true },
  ])
  const { response_format: format } = chatOf({ output_config: { format: { type: 'json_schema', schema } } })
  assert.equal(format, { schema })
})

test('an answer ends by a stop sequence, and as its schema says', async () => {
  const plain = textOf(await answerTo({ max_tokens: 12 }))
  const stop = plain.slice(3, 5)
  const stopped = await answerTo({ stop_sequences: ['never', stop] })
  assert.equal([stopped.body.stop_reason, stopped.body.stop_sequence], ['stop_sequence', stop])
  assert.is(textOf(stopped), plain.slice(0, plain.indexOf(stop)))
  const schema = { enum: ['x', 'y'] }
  const chosen = await answerTo({ output_config: { format: { type: 'json_schema', schema } } })
  assert.match(textOf(chosen), /^\s*"[xy]"\s*$/)
  assert.is(chosen.body.stop_reason, 'end_turn')
})

test('a stream has named events', async () => {
  const whole = await answerTo({})
  const events = await eventsOf(await handler(post('/v1/messages', { messages: [HI], ...FEW, stream: true })))
  const types = events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1])
  assert.equal(types, [
    ...['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop'],
    ...['message_delta', 'message_stop'],
  ])
  const { message } = events[0]!
  const { content, stop_reason, stop_sequence, usage, id, ...head } = message
  assert.equal([content, stop_reason, stop_sequence, usage.output_tokens], [[], null, null, 0])
  const { id: _, content: __, usage: ended, ...rest } = whole.body
  assert.equal(
    { ...rest, stop_reason: undefined, stop_sequence: undefined },
    { ...head, stop_reason: undefined, stop_sequence: undefined },
  )
  assert.is(events.map(({ delta }) => delta?.text ?? '').join(''), textOf(whole))
  const last = events.at(-2)!
  assert.equal(last.delta, { stop_reason: rest.stop_reason, stop_sequence: null })
  assert.is(last.usage.output_tokens, ended.output_tokens)
  assert.is(usage.input_tokens + usage.cache_read_input_tokens, ended.input_tokens + ended.cache_read_input_tokens)
})

test('errors have the form of Anthropic’s', async () => {
  const keyed = serve({ apiKeys: ['secret'] })
  const errorOf = async (request: Request, by = handler): Promise<unknown[]> => {
    const { status, body } = await ask(by, request)
    assert.equal([body.type, Object.keys(body)], ['error', ['type', 'error']])
    return [status, body.error.type, body.error.details.param]
  }
  const messages = (fields: object): Request => post('/v1/messages', { messages: [HI], ...FEW, ...fields })
  const bad = 'invalid_request_error'
  for (const [fields, param] of [
    [{ temperature: 'hot' }, 'temperature'],
    [{ wizardry: 1 }, 'wizardry'],
    [{ messages: undefined }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 'robot', content: '' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }, 'messages[0].content[0].type'],
    [{ messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] }, 'messages[0].content[0].tool_use_id'],
    [{ system: [{ type: 'image' }] }, 'system[0].type'],
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'tools[0].type'],
    [{ tools: [{ name: 'f' }] }, 'tools[0].input_schema'],
    [{ tool_choice: { type: 'tool' } }, 'tool_choice.name'],
    [{ tool_choice: 'auto' }, 'tool_choice'],
    [{ thinking: { type: 'between_tools' } }, 'thinking.type'],
    [{ mcp_servers: [{ type: 'url' }] }, 'mcp_servers'],
    [{ context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } }, 'context_management'],
    [{ output_config: { format: { type: 'json_schema', schema: { type: 'text' } } } }, 'output_config.format'],
    [{ stop_sequences: [''] }, 'stop_sequences[0]'],
  ] as const) {
    assert.equal(await errorOf(messages(fields)), [400, bad, param])
  }
  assert.equal(await errorOf(messages({}), keyed), [401, 'authentication_error', null])
  assert.equal(await errorOf(post('/v1/messages/batches', {})), [404, 'not_found_error', null])
  assert.equal(await errorOf(get('/v1/messages')), [405, bad, null])
  const named = createHandler({ a: model, b: model })
  assert.equal(await errorOf(messages({ model: 'c' }), named), [404, 'not_found_error', 'model'])
  assert.equal(await errorOf(messages({}), serve({ bodyLimit: 10 })), [413, 'request_too_large', 'body'])
  const slow = serve({ timeout: 1 })
  assert.equal(await errorOf(messages({ ignore_eos: true, max_tokens: -1 }), slow), [504, 'timeout_error', null])
  const { body } = await answerTo({ messages: [{ role: 'user', content: 'word '.repeat(2000) }] })
  assert.match(body.error.message, /^prompt is too long: \d+ tokens > 512 maximum$/)
  const keys = { headers: { 'x-api-key': 'secret', 'anthropic-version': '2023-06-01' } }
  const allowed = await keyed(post('/v1/messages', { messages: [HI], ...FEW }, keys))
  assert.is(allowed.status, 200)
})

test('what asks for nothing is accepted', async () => {
  const { status } = await answerTo({
    ...{ metadata: { user_id: 'me' }, service_tier: 'auto', container: null, mcp_servers: [], tools: [] },
    ...{ context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] }, top_k: 5, top_p: 0.9 },
    ...{ thinking: { type: 'enabled', budget_tokens: 2000, display: 'summarized' }, inference_geo: null },
  })
  assert.is(status, 200)
})

test('tokens are counted without an answer', async () => {
  const prompt = { messages: [HI], system: 'Be terse.' }
  const counted = await ask(handler, post('/v1/messages/count_tokens', prompt))
  const { usage } = (await answerTo(prompt)).body
  assert.equal(counted.body, { input_tokens: usage.input_tokens + usage.cache_read_input_tokens })
})

toolTest('the Anthropic client: create, stream, count, errors', '@anthropic-ai/sdk/index.mjs', async () => {
  const { default: Anthropic } = await import(tool('@anthropic-ai/sdk/index.mjs'))
  const fetch = (url: string, init: RequestInit): Promise<Response> => handler(new Request(url, init))
  const client = new Anthropic({ baseURL: 'http://localhost', apiKey: 'none', fetch, maxRetries: 0 })
  const request = { model: 'any', messages: [HI], system: 'Be terse.', ...FEW }
  const message = await client.messages.create(request)
  assert.is(message.content[0].text, await chatWith([{ role: 'system', content: 'Be terse.' }, HI]))
  const stream = client.messages.stream(request)
  let text = ''
  stream.on('text', (piece: string) => (text += piece))
  const last = await stream.finalMessage()
  assert.equal([text, last.content[0].text, last.stop_reason], [message.content[0].text, text, message.stop_reason])
  const { input_tokens: count } = await client.messages.countTokens({
    model: 'any',
    messages: [HI],
    system: 'Be terse.',
  })
  assert.is(count, last.usage.input_tokens + last.usage.cache_read_input_tokens)
  const error = await client.messages.create({ ...request, wizardry: 1 }).catch((thrown: Event) => thrown)
  assert.equal(
    [error.constructor.name, error.type, error.errorCode],
    ['BadRequestError', 'invalid_request_error', 'unknown_parameter'],
  )
})

test.run()
