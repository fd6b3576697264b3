/** Tools and reasoning in `/v1/responses`. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tool, toolTest } from '../package-home.ts'
import { ask, dataOf, post } from './helpers.ts'
import { answersOf, firstSeed, type Json, QUESTION, TOOLS, toolModel } from './tool-model.ts'

const { model, handler } = await toolModel()
test.after(() => model.close())

const FLAT = TOOLS.map(({ type, function: described }) => ({ type, ...described }))
const ASKED = {
  input: [QUESTION],
  tools: FLAT,
  tool_choice: 'required',
  parallel_tool_calls: false,
  max_output_tokens: 400,
  temperature: 1.2,
  reasoning: { effort: 'none' },
}

const answerTo = answersOf(handler, '/v1/responses', ASKED)
const callIn = ({ output }: Json): Json | undefined => output.find(({ type }: Json) => type === 'function_call')

const calling = (fields: object = {}) =>
  firstSeed(async (seed) => {
    const response = await answerTo({ seed, ...fields })
    const call = callIn(response)
    return call && response.status === 'completed' ? { response, call } : undefined
  })

test('a call is an item, whole and streamed, and the one of chat completions', async () => {
  const { seed, response, call } = await calling()
  assert.match(call.id, /^fc_\w+$/)
  assert.equal([response.tools, response.tool_choice, response.parallel_tool_calls], [FLAT, 'required', false])
  const chat = await ask(
    handler,
    post('/v1/chat/completions', {
      ...{ messages: [QUESTION], tools: TOOLS, tool_choice: 'required', parallel_tool_calls: false, seed },
      ...{ max_tokens: 400, temperature: 1.2, reasoning_effort: 'none' },
    }),
  )
  const [{ function: called }] = chat.body.choices[0].message.tool_calls
  assert.equal([call.name, call.arguments], [called.name, called.arguments])

  const stream = await handler(post('/v1/responses', { ...ASKED, seed, stream: true }))
  const events = dataOf(await stream.text()).map((event) => JSON.parse(event.replace(/^event: .*\ndata: /, '')))
  const of = (type: string): Json[] => events.filter((event) => event.type === `response.${type}`)
  const added = of('output_item.added').find(({ item }) => item.type === 'function_call')!
  assert.equal([added.item.arguments, added.item.status, added.item.name], ['', 'in_progress', call.name])
  const pieces = of('function_call_arguments.delta')
  assert.is(pieces.map(({ delta }) => delta).join(''), call.arguments)
  for (const piece of pieces) {
    assert.equal([piece.item_id, piece.output_index], [added.item.id, added.output_index])
  }
  const [done] = of('function_call_arguments.done')
  assert.equal([done!.arguments, done!.name, done!.item_id], [call.arguments, call.name, added.item.id])
  const last = events.at(-1)
  assert.is(last.type, 'response.completed')
  assert.equal(callIn(last.response), of('output_item.done').at(-1)!.item)
})

test('a result goes back in, by the id of the answer or with all that went before', async () => {
  const { response, call } = await calling()
  const result = { type: 'function_call_output', call_id: call.call_id, output: 'Sunny.' }
  const next = { temperature: 0, max_output_tokens: 5, tool_choice: 'none' }
  const byId = await answerTo({ ...next, input: [result], previous_response_id: response.id })
  const whole = await answerTo({ ...next, input: [QUESTION, ...response.output, result] })
  assert.is(byId.output[0].content[0].text, whole.output[0].content[0].text)
  assert.is(byId.usage.input_tokens, whole.usage.input_tokens)
})

test('one tool by name, or some of them', async () => {
  const now = await calling({ tool_choice: { type: 'function', name: 'now' } })
  assert.equal([now.call.name, JSON.parse(now.call.arguments)], ['now', {}])
  const tools = [{ type: 'function', name: 'get_weather' }]
  const some = await calling({ tool_choice: { type: 'allowed_tools', mode: 'required', tools } })
  assert.is(some.call.name, 'get_weather')
})

test('reasoning is an item of its own', async () => {
  const begun = { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'One day' }] }
  const fields = { input: [QUESTION, begun], tools: [], tool_choice: 'auto', temperature: 0, max_output_tokens: 12 }
  const { output, usage, status } = await answerTo(fields)
  assert.equal([output.length, output[0].type, status], [1, 'reasoning', 'incomplete'])
  assert.equal([output[0].summary, output[0].status], [[], 'incomplete'])
  assert.is(usage.output_tokens_details.reasoning_tokens, 12)
  const stream = await handler(post('/v1/responses', { ...ASKED, ...fields, stream: true, top_logprobs: 0 }))
  const events = dataOf(await stream.text()).map((event) => JSON.parse(event.replace(/^event: .*\ndata: /, '')))
  const said = events.filter(({ type }) => type === 'response.reasoning_text.delta').map(({ delta }) => delta)
  assert.is(said.join(''), output[0].content[0].text)
  const [done] = events.filter(({ type }) => type === 'response.reasoning_text.done')
  assert.is(done.text, said.join(''))
  const parts = events.filter(({ type }) => type.startsWith('response.content_part')).map(({ part }) => part)
  assert.equal(parts, [
    { type: 'reasoning_text', text: '' },
    { type: 'reasoning_text', text: said.join('') },
  ])
  const together = await answerTo({ ...fields, reasoning_format: 'none' })
  assert.is(together.output[0].type, 'message')
})

test('what is wrong is told by its field', async () => {
  const bad = { type: 'object', properties: { x: { type: 'string', pattern: '(' } } }
  for (const [fields, param] of [
    [{ tools: [] }, 'tool_choice'],
    [{ tool_choice: { type: 'function', name: 'nobody' } }, 'tool_choice'],
    [{ tools: [{ type: 'function', name: 'f', parameters: bad }] }, 'tools'],
    [{ tools: [FLAT[0], FLAT[0]] }, 'tools'],
  ] as const) {
    const { status, body } = await ask(handler, post('/v1/responses', { ...ASKED, ...fields }))
    assert.equal([status, body.error?.param], [400, param], JSON.stringify(body))
  }
})

toolTest('the openai client: a call, its result, and the stream of both', 'openai/index.mjs', async () => {
  const { default: OpenAI } = await import(tool('openai/index.mjs'))
  const fetch = (url: string, init: RequestInit): Promise<Response> => handler(new Request(url, init))
  const client = new OpenAI({ baseURL: 'http://localhost/v1', apiKey: 'none', fetch, maxRetries: 0 })
  const { seed, call } = await calling()
  const stream = client.responses.stream({ model: 'any', ...ASKED, seed })
  let given = ''
  stream.on('response.function_call_arguments.delta', ({ delta }: Json) => {
    given += delta
  })
  const response = await stream.finalResponse()
  assert.is(given, call.arguments)
  const called = callIn(response)!
  assert.equal([called.name, called.arguments], [call.name, call.arguments])
  const output = { type: 'function_call_output', call_id: called.call_id, output: 'Sunny.' }
  const input = [QUESTION, ...response.output, output]
  const after = await client.responses.create({
    model: 'any',
    ...ASKED,
    input,
    tool_choice: 'none',
    max_output_tokens: 4,
  })
  assert.type(after.output_text, 'string')
})

test.run()
