/** What requests give to the chat template: messages as clients send them, tools, answers that go on, variables. */
import { load } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'

const model = await load(STORIES, { threads: 1, onWarning: () => {} })
test.after(() => model.close())

const TEMPLATE =
  "{{ bos_token }}{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name + (c.function.arguments | tojson) }}{% endfor %}{% endfor %}{% for t in tools or [] %}{{ '[' + t.function.name + ']' }}{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"

interface Answer {
  prompt?: string
  error?: { param: string }
}

async function ask(body: object, path = '/apply-template', template = TEMPLATE): Promise<[number, Answer]> {
  const handler = createHandler(model, { template })
  const response = await handler(new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body) }))
  return [response.status, await response.json()]
}

const prompt = async (body: object, template?: string): Promise<unknown> =>
  (await ask(body, '/apply-template', template))[1].prompt

const user = { role: 'user', content: 'U' }
const calling = (content: unknown) => ({
  role: 'assistant',
  content,
  tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
})
const result = { role: 'tool', tool_call_id: 'c', content: 'R' }

test('prompts come without the BOS that the tokenizer adds, fitted to the template', async () => {
  assert.is(await prompt({ messages: [user] }), '<user>U<assistant>')
  assert.is(await prompt({ messages: [{ role: 'developer', content: 'D' }, user] }), '<system>D<user>U<assistant>')
  assert.is(await prompt({ messages: [{ role: 'user', content: null }] }), '<user><assistant>')
  for (const content of [null, undefined, '']) {
    const history = '<user>U<assistant>f{"a": 1}<tool>R<assistant>'
    assert.is(await prompt({ messages: [user, calling(content), result] }), history)
  }
  const tools = [{ type: 'function', function: { name: 'f' } }]
  assert.is(await prompt({ messages: [user], tools }), '<user>U[f]<assistant>')
  assert.is(await prompt({ messages: [user], add_generation_prompt: false }), '<user>U')
})

test('calls and their results are history in chat completions too', async () => {
  const body = { messages: [user, calling(null), result], max_tokens: 2, temperature: 0 }
  const [status, answer] = await ask(body, '/v1/chat/completions')
  assert.is(status, 200, JSON.stringify(answer))
})

test('a last message of the assistant is continued', async () => {
  const messages = [user, { role: 'assistant', content: 'Well, ' }]
  const continued = '<user>U<assistant>Well, '
  for (const more of [
    {},
    { add_generation_prompt: true },
    { add_generation_prompt: false },
    { continue_final_message: true },
  ]) {
    assert.is(await prompt({ messages, ...more }), continued, JSON.stringify(more))
  }
  const thinking = { role: 'assistant', content: 'x', reasoning_content: 'Hm' }
  const template = TEMPLATE.replace(
    '+ m.content',
    "+ ('<think>' + m.reasoning_content + '</think>' if m.reasoning_content else '') + m.content",
  )
  const body = { messages: [user, thinking], continue_final_message: 'reasoning_content' }
  assert.is(await prompt(body, template), '<user>U<assistant><think>Hm')
  const wrong: [object, string][] = [
    [{ messages, continue_final_message: true, add_generation_prompt: true }, 'continue_final_message'],
    [{ messages: [user], continue_final_message: true }, 'continue_final_message'],
    [{ messages: [user, calling('')] }, 'messages'],
    [{ messages: [user, ...messages.slice(1), ...messages.slice(1)] }, 'messages'],
  ]
  for (const [request, param] of wrong) {
    const [status, { error }] = await ask(request)
    assert.equal([status, error?.param], [400, param], JSON.stringify(request))
  }
})

test('without prefillAssistant a last message of the assistant is one of its own, unless the request says so', async () => {
  const handler = createHandler(model, { template: TEMPLATE, prefillAssistant: false })
  const promptOf = async (body: object): Promise<unknown> => {
    const request = { method: 'POST', body: JSON.stringify(body) }
    return ((await (await handler(new Request('http://localhost/apply-template', request))).json()) as Answer).prompt
  }
  const answer = { role: 'assistant', content: 'Well, ' }
  const messages = [user, answer]
  assert.is(await promptOf({ messages }), '<user>U<assistant>Well, <assistant>')
  assert.is(await promptOf({ messages, add_generation_prompt: false }), '<user>U<assistant>Well, ')
  assert.is(
    await promptOf({ messages: [user, answer, answer] }),
    '<user>U<assistant>Well, <assistant>Well, <assistant>',
  )
  assert.is(await promptOf({ messages: [user, calling('')] }), '<user>U<assistant>f{"a": 1}<assistant>')
  assert.is(await promptOf({ messages, continue_final_message: true }), '<user>U<assistant>Well, ')
})

test('variables of the template are llama-server’s, and the request’s', async () => {
  const thinks =
    '{{ preserve_thinking }} {{ reasoning_effort }} {{ date_string | length }}{% if enable_thinking %}<think>{% endif %}'
  const messages = [user]
  assert.is(await prompt({ messages }, thinks), 'True  11<think>')
  assert.is(await prompt({ messages, reasoning_effort: 'low' }, thinks), 'True low 11<think>')
  assert.is(await prompt({ messages, reasoning_effort: 'none' }, thinks), 'True  11')
  const kwargs = { enable_thinking: false, preserve_reasoning: false, date_string: 'x' }
  assert.is(await prompt({ messages, chat_template_kwargs: kwargs }, thinks), 'False  1')
  const [status, { error }] = await ask({ messages, chat_template_kwargs: { enable_thinking: 'yes' } })
  assert.equal([status, error?.param], [400, 'chat_template_kwargs.enable_thinking'])
})

test.run()
