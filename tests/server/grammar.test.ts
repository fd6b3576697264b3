/** Answers that a schema or a grammar constrains, over HTTP's fields. */
import { load } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { ask, dataOf, post } from './helpers.ts'

const model = await load(STORIES, { threads: 1 })
const handler = createHandler(model)
const SCHEMA = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 8 }, age: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['name', 'age'],
  additionalProperties: false,
}
const SETTINGS = { temperature: 1, seed: 3, max_tokens: 300 }

const chat = (fields: object) =>
  ask(handler, post('/v1/chat/completions', { messages: [{ role: 'user', content: 'Who?' }], ...SETTINGS, ...fields }))
const complete = (path: string, fields: object) =>
  ask(handler, post(path, { prompt: 'Once', ...SETTINGS, n_predict: 300, ...fields }))

function checkPerson(text: string): void {
  const { name, age, ...others } = JSON.parse(text)
  assert.equal(others, {})
  assert.ok(typeof name === 'string' && [...name].length <= 8 && Number.isInteger(age) && age >= 1 && age <= 9, text)
}

test('response_format, json_schema and grammar are obeyed by every endpoint that has them', async () => {
  const format = { type: 'json_schema', json_schema: { name: 'person', strict: true, schema: SCHEMA } }
  for (const fields of [
    { response_format: format },
    { response_format: { type: 'json_object', schema: SCHEMA } },
    { json_schema: SCHEMA },
  ]) {
    const { status, body } = await chat(fields)
    assert.is(status, 200)
    const [choice] = body.choices
    assert.is(choice.finish_reason, 'stop')
    assert.is(choice.message.refusal, null)
    checkPerson(choice.message.content)
  }
  checkPerson((await complete('/v1/completions', { json_schema: SCHEMA })).body.choices[0].text)
  checkPerson((await complete('/completion', { json_schema: SCHEMA })).body.content)
  const { body } = await complete('/completion', { grammar: 'root ::= "yes" | "no"' })
  assert.match(body.content, /^(yes|no)$/)
  assert.is(body.generation_settings.grammar, 'root ::= "yes" | "no"')
  const any = await chat({ response_format: { type: 'json_object' }, max_tokens: 60 })
  const [{ message, finish_reason: reason }] = any.body.choices
  assert.match(message.content, /^\s*\{/)
  if (reason === 'stop') JSON.parse(message.content)
})

test('streams are constrained as whole answers are', async () => {
  const fields = { messages: [{ role: 'user', content: 'Who?' }], ...SETTINGS, json_schema: SCHEMA }
  const whole = (await ask(handler, post('/v1/chat/completions', fields))).body.choices[0].message.content
  const stream = await (await handler(post('/v1/chat/completions', { ...fields, stream: true }))).text()
  const chunks = dataOf(stream)
    .slice(0, -1)
    .map((data) => JSON.parse(data))
  assert.is(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), whole)
})

test('texts that are to be anything stay as they are', async () => {
  const plain = (await chat({})).body.choices[0].message.content
  for (const fields of [{ response_format: { type: 'text' } }, { grammar: '' }, { json_schema: null }]) {
    assert.is((await chat(fields)).body.choices[0].message.content, plain)
  }
})

test('what is wrong is refused by the name of its field', async () => {
  const schema = (value: unknown) => ({ type: 'json_schema', json_schema: { name: 'x', schema: value } })
  for (const [fields, param, code] of [
    [{ response_format: schema({ type: 'text' }) }, 'response_format', 'schema_syntax'],
    [{ response_format: schema({ type: 'array', uniqueItems: true }) }, 'response_format', 'schema_unsupported'],
    [{ response_format: schema(false) }, 'response_format', 'schema_empty'],
    [{ response_format: schema('text') }, 'response_format.json_schema.schema', 'invalid_value'],
    [{ response_format: { type: 'xml' } }, 'response_format.type', 'invalid_value'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', 'missing_required_parameter'],
    [{ response_format: 'json' }, 'response_format', 'invalid_value'],
    [{ json_schema: [] }, 'json_schema', 'invalid_value'],
    [{ grammar: 'root ::= (' }, 'grammar', 'grammar_syntax'],
    [{ grammar: 'root ::= "a"', json_schema: {} }, 'grammar', 'invalid_value'],
    [{ grammar_lazy: true }, 'grammar_lazy', 'unsupported_parameter'],
  ] as const) {
    const { status, body } = await chat(fields)
    assert.equal([status, body.error.param, body.error.code], [400, param, code], JSON.stringify(body.error))
  }
})

test.after(() => model.close())
test.run()
