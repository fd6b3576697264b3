/** Tools and reasoning in `/v1/chat/completions`: calls whole and streamed, choices, OpenAI's first API, what is wrong. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ask, dataOf, post } from './helpers.ts'
import { answersOf, firstSeed, QUESTION, TOOLS, toolModel } from './tool-model.ts'

interface Called {
  index: number
  id?: string
  type?: string
  function: { name?: string; arguments: string }
}
interface Delta {
  content?: string | null
  reasoning_content?: string
  tool_calls?: Called[]
  function_call?: Called['function']
}
type AnswerMessage = Required<Delta> & { refusal: null }
interface StreamedChoice {
  delta: Delta
  logprobs: { content: unknown[] } | null
  finish_reason: string | null
}

/** The choices of a stream's chunks. */
function choicesOf(text: string): StreamedChoice[] {
  return dataOf(text)
    .slice(0, -1)
    .map((line: string) => JSON.parse(line).choices[0])
}

const ASKED = {
  messages: [QUESTION],
  tools: TOOLS,
  tool_choice: 'required',
  parallel_tool_calls: false,
  max_tokens: 400,
  temperature: 1.2,
  reasoning_effort: 'none',
}

const { model, handler } = await toolModel()
test.after(() => model.close())

const chat = (fields: object) => ask(handler, post('/v1/chat/completions', { ...ASKED, ...fields }))

const calling = (fields: object = {}) =>
  firstSeed(async (seed) => {
    const body = await answersOf(handler, '/v1/chat/completions', ASKED)({ seed, ...fields })
    const { message, finish_reason: reason } = body.choices[0] as { message: AnswerMessage; finish_reason: string }
    return reason === 'tool_calls' || reason === 'function_call' ? { message, reason } : undefined
  })

test('a required call is an answer, whole and streamed the same', async () => {
  const { seed, message, reason } = await calling()
  assert.is(reason, 'tool_calls')
  assert.is(message.content, null)
  assert.is(message.refusal, null)
  const call = message.tool_calls[0]!
  assert.is(call.type, 'function')
  assert.match(call.id!, /^[A-Za-z0-9]{9}$/)
  assert.ok(['get_weather', 'now'].includes(call.function.name!))
  assert.type(JSON.parse(call.function.arguments), 'object')

  const response = await handler(post('/v1/chat/completions', { ...ASKED, seed, stream: true }))
  const choices = choicesOf(await response.text())
  const calls = choices.flatMap(({ delta }) => delta.tool_calls ?? [])
  assert.is(calls[0]!.type, 'function')
  assert.is(calls[0]!.function.name, call.function.name)
  assert.is(calls.map((each) => each.function.arguments).join(''), call.function.arguments)
  for (const each of calls) assert.is(each.index, 0)
  assert.is(calls.filter((each) => 'id' in each).length, 1)
  assert.is(choices.at(-1)!.finish_reason, 'tool_calls')
})

test('a call and its result go back in, and the answer follows', async () => {
  const { message } = await calling()
  const { id } = message.tool_calls[0]!
  const messages = [QUESTION, { role: 'assistant', ...message }, { role: 'tool', tool_call_id: id, content: 'Sunny.' }]
  const { status, body } = await chat({ messages, tool_choice: 'none', max_tokens: 5 })
  assert.is(status, 200, JSON.stringify(body))
  assert.is(body.choices[0].message.tool_calls, undefined)
})

test('one tool by name; auto may call; none does not', async () => {
  const { message } = await calling({ tool_choice: { type: 'function', function: { name: 'now' } } })
  assert.is(message.tool_calls[0]!.function.name, 'now')
  assert.equal(JSON.parse(message.tool_calls[0]!.function.arguments), {})
  for (const choice of ['auto', 'none', undefined]) {
    const { status, body } = await chat({ tool_choice: choice, max_tokens: 8 })
    assert.is(status, 200)
    assert.type(body.choices[0].message.content ?? '', 'string')
  }
})

test('functions are OpenAI’s first tools', async () => {
  const functions = TOOLS.map((tool) => tool.function)
  const fields = { tools: undefined, tool_choice: undefined, parallel_tool_calls: undefined, functions }
  const { message, reason, seed } = await calling({ ...fields, function_call: { name: 'get_weather' } })
  assert.is(reason, 'function_call')
  assert.is(message.function_call.name, 'get_weather')
  const body = { ...ASKED, ...fields, function_call: { name: 'get_weather' }, seed, stream: true }
  const text = await (await handler(post('/v1/chat/completions', body))).text()
  const given = choicesOf(text).flatMap(({ delta }) => delta.function_call ?? [])
  assert.is(given[0]!.name, 'get_weather')
  assert.is(given.map((each) => each.arguments).join(''), message.function_call.arguments)
  const messages = [
    QUESTION,
    { role: 'assistant', ...message },
    { role: 'function', name: 'get_weather', content: 'Sunny.' },
  ]
  const after = await chat({ ...fields, messages, function_call: 'none', max_tokens: 3 })
  assert.is(after.status, 200, JSON.stringify(after.body))
})

test('reasoning is reasoning_content, or content', async () => {
  const begun = { role: 'assistant', content: '', reasoning_content: 'One day' }
  const fields = {
    messages: [QUESTION, begun],
    tools: undefined,
    tool_choice: undefined,
    temperature: 0,
    max_tokens: 12,
  }
  const apart = await chat(fields)
  assert.is(apart.status, 200, JSON.stringify(apart.body))
  const [{ message }] = apart.body.choices
  assert.is(message.content, '')
  assert.ok(message.reasoning_content.length > 0)
  const together = await chat({ ...fields, reasoning_format: 'none' })
  assert.is(together.body.choices[0].message.reasoning_content, undefined)
  const text = await (
    await handler(post('/v1/chat/completions', { ...ASKED, ...fields, stream: true, logprobs: true }))
  ).text()
  const choices = choicesOf(text)
  assert.is(choices.map(({ delta }) => delta.reasoning_content ?? '').join(''), message.reasoning_content)
  assert.is(choices.flatMap(({ logprobs }) => logprobs?.content ?? []).length, apart.body.usage.completion_tokens)
})

test('what is wrong is told by its field', async () => {
  const schema = { type: 'object', properties: { x: { type: 'string', pattern: '(' } } }
  for (const [fields, param] of [
    [{ tools: [] }, 'tool_choice'],
    [{ tool_choice: { type: 'function', function: { name: 'nobody' } } }, 'tool_choice'],
    [{ tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'tools[0].type'],
    [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools'],
    [{ tools: [TOOLS[0], TOOLS[0]] }, 'tools'],
    [{ tools: [{ type: 'function', function: { name: 'f', parameters: schema } }] }, 'tools'],
    [{ functions: [{ name: 'f' }], tool_choice: undefined }, 'functions'],
  ] as const) {
    const { status, body } = await chat(fields)
    assert.equal([status, body.error?.param], [400, param], JSON.stringify(body))
  }
  const bad = await chat({ tools: [{ type: 'function', function: { name: 'f', parameters: schema } }] })
  assert.match(bad.body.error.message, /the parameters of f/)
})

test.run()
