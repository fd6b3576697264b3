/**
 * Requests drawn from `/openapi.json`: what fits it is answered as it says, what misses it in one place is refused by the name
 * of that place.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { load } from 'cria'
import { createHandler, type SlotStore } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../js/sampler/random.ts'
import { STORIES } from '../api-helpers.ts'
import { Draw, type Schema } from './draw.ts'
import { get, post } from './helpers.ts'

/** Of each endpoint with a body. */
const [FITTING, WRONG] = [40, 200]
const MOST_TOKENS = 3

const errors: unknown[] = []
const model = await load(STORIES, { threads: 1, onWarning: () => {} })
test.after(() => model.close())
const files = new Map<string, Uint8Array>()
const slotStore: SlotStore = {
  save: async (name, state) => void files.set(name, state),
  load: async (name) => files.get(name),
}
const onError = (error: unknown): void => void errors.push(error)
const handler = createHandler({ stories: model }, { maxTokens: MOST_TOKENS, slotStore, onError })

interface Response200 {
  content?: Record<string, { schema: Schema }>
}
interface Operation {
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, Response200 & { $ref?: string }>
}

const document = (await (await handler(get('/openapi.json'))).json()) as Schema & {
  paths: Record<string, Record<string, Operation>>
}
const random = new Random(1)
const draw = new Draw(random, document)

/** Answers have all their fields in the document, where it leaves their schemas open. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const inside = Object.fromEntries(Object.entries(schema).map(([name, one]) => [name, closed(one)]))
  return 'properties' in schema && schema.properties && (schema as Schema).type === 'object'
    ? { additionalProperties: false, ...inside }
    : inside
}

const validators = new Map<string, ValidateFunction>()
const ajv = new Ajv2020({ strict: false })
ajv.addSchema(document, 'open')
ajv.addSchema(closed(document) as Schema, 'closed')
const fits = (root: 'open' | 'closed', schema: Schema): ValidateFunction => {
  const key = root + JSON.stringify(schema)
  const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', `"${root}#/`)) as Schema
  const made = validators.get(key) ?? ajv.compile(absolute)
  validators.set(key, made)
  return made
}

const CONSTRAINTS = ['grammar', 'json_schema', 'response_format']
/** What only the model or another field tells to be wrong. */
const BY_MODEL = [
  /^id: there are slots 0 to/,
  /^Slot \d+ has computed nothing yet/,
  /^filename is missing/,
  /^filename: there is no/,
  /^logit_bias: there is no token \d+/,
  /^chat_template_kwargs/,
  /^add_generation_prompt begins an answer/,
  /^continue_final_message needs a last message/,
  /^An assistant message with tool calls cannot be continued/,
  /^input\[\d+\]\.id: there is no item/,
  /^previous_response_id: there is no response/,
  /^tool_choice: there is no tool/,
  /exclude each other/,
  /^(order|limit) must be/,
  /^after: there is no item/,
  /^No value fits the JSON Schema/,
  /^The last two messages are the assistant’s/,
  /^No value fits the JSON Schema/,
  /^(tool_choice|function_call) (names .* none of the tools|asks for a call, and there are no tools)/,
  /^functions (and tools exclude each other|have function_call in its place)/,
  /^tools\[\d+\] (needs a name|has the name)/,
]

interface Tool {
  function?: Tool
  parameters?: unknown
}

interface Failure {
  /** `details`: in Anthropic's form. */
  error: { message: string; param?: string | null; code?: string; details?: { param: string | null } }
}

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
)
const posts = operations.flatMap(({ path, operation }) => {
  const { requestBody, responses } = operation
  return requestBody ? [{ path, operation, schema: requestBody.content['application/json']!.schema, responses }] : []
})

const kept = (await (await handler(post('/v1/responses', { input: 'Hi' }))).json()) as { id: string }

/** The address with what it needs; those of models and of answers that are kept are of one that there is. */
function addressOf(path: string, { parameters = [] }: Operation): string {
  const needed = parameters.filter(({ required }) => required)
  const value = ({ name, schema }: (typeof needed)[number]): string => {
    if (path.includes('/responses/')) return kept.id
    return name === 'name' ? 'stories' : String(draw.value(schema))
  }
  const filled = path.replace(/\{(\w+)\}/, (_, name) => value(needed.find((one) => one.name === name)!))
  const query = needed.filter((one) => one.in === 'query').map((one) => `${one.name}=${value(one)}`)
  return query.length > 0 ? `${filled}?${query.join('&')}` : filled
}

/** A body that fits, of few choices and tokens. */
function bodyFor(schema: Schema): Record<string, unknown> {
  const { properties } = draw.resolve(schema) as { properties: Schema }
  const bounds = {
    n: 2,
    n_cmpl: 2,
    max_tokens: MOST_TOKENS,
    max_completion_tokens: MOST_TOKENS,
    n_predict: MOST_TOKENS,
  }
  for (;;) {
    const body = draw.value(schema) as Record<string, unknown>
    for (const [name, most] of Object.entries(bounds)) {
      if (name in properties && typeof body[name] === 'number') body[name] = Math.min(body[name], most)
    }
    // No schema says what a grammar is, nor that one of these is enough.
    if (body.grammar) body.grammar = 'root ::= [a-z ]+'
    for (const tool of [body.tools, body.functions].flatMap((list) => (list ?? []) as Tool[])) {
      const described = tool.function ?? tool
      if (described.parameters) described.parameters = { type: 'object' }
    }
    const [first, ...others] = CONSTRAINTS.filter((name) => body[name])
    if (first) for (const name of others) delete body[name]
    // Fields that need others are drawn by themselves.
    if (fits('open', schema)(body)) return body
  }
}

async function checkAnswer(response: Response, responses: Operation['responses'], shown: string): Promise<void> {
  const { status } = response
  assert.ok(status in responses, `${status} ${shown}`)
  assert.not.equal(status, 500, shown)
  const type = response.headers.get('content-type')!.split(';')[0]!
  const text = await response.text()
  const given = responses[status]!
  const { content } = given.$ref ? (draw.resolve({ $ref: given.$ref }) as Response200) : given
  const { schema } = content![type] ?? {}
  assert.ok(schema, `${type} ${shown}`)
  const data = (schema.properties as Record<string, Schema & { anyOf?: Schema[] }> | undefined)?.data
  const event = (data?.anyOf?.[0] ?? data)?.contentSchema as Schema | undefined
  const validate = fits('closed', event ?? schema)
  const parts =
    type === 'text/event-stream'
      ? Array.from(text.matchAll(/^data: (?!\[DONE\])(.*)$/gm), ([, data]) => JSON.parse(data!) as unknown)
      : [type === 'text/plain' ? text : (JSON.parse(text) as unknown)]
  assert.ok(parts.length > 0 || /\[DONE\]/.test(text), shown)
  for (const part of parts) {
    assert.ok(validate(part), `${JSON.stringify(validate.errors)} ${JSON.stringify(part)} ${shown}`)
  }
  if (status === 200) return
  const { error } = JSON.parse(text) as Failure
  const known = status === 501 || BY_MODEL.some((reason) => reason.test(error.message))
  assert.ok(known, `${JSON.stringify(error)} ${shown}`)
}

test('what fits the document is answered as it says', async () => {
  for (const { path, operation, schema, responses } of posts) {
    let answered = 0
    for (let i = 0; i < FITTING; i++) {
      const body = bodyFor(schema)
      const address = addressOf(path, operation)
      const shown = `${address} ${JSON.stringify(body)}`
      const response = await handler(post(address, body))
      if (response.ok) answered++
      await checkAnswer(response, responses, shown)
    }
    // This model has no tokens to fill in the middle with; and most slots have computed nothing.
    if (path !== '/infill' && !path.startsWith('/slots'))
      assert.ok(answered > FITTING / 2, `${path}: ${answered} of ${FITTING}`)
  }
  for (const { path, operation, method } of operations.filter(({ method }) => method === 'get')) {
    const { parameters = [] } = operation
    const filled = addressOf(path, operation)
    const queries = parameters.filter((one) => one.in === 'query').map(({ name }) => `?${name}=stories`)
    for (const query of ['', ...queries]) {
      await checkAnswer(await handler(get(filled + query)), operation.responses, `${method} ${filled}${query}`)
    }
  }
  assert.equal(errors, [])
})

/** Of `messages[0].content`: `messages[0]`. */
function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')))
}

test('what misses it in one place is refused by the name of that place', async () => {
  for (const { path, operation, schema } of posts) {
    const validate = fits('open', schema)
    for (let i = 0; i < WRONG; ) {
      const made = draw.wrong(schema, bodyFor(schema))
      // Anything may be null or fit by chance.
      if (made.path === '' || validate(made.value)) continue
      i++
      const shown = `${path} ${made.path} ${JSON.stringify(made.value).slice(0, 1000)}`
      const response = await handler(post(addressOf(path, operation).replace('erase', 'save'), made.value))
      const { error } = (await response.json()) as Failure
      assert.is(response.status, 400, `${shown} ${JSON.stringify(error)}`)
      const { param } = error.details ?? error
      const [whole, part] = [made.path, param ?? ''].sort((a, b) => b.length - a.length) as [string, string]
      // Beside it another field may be what is told: one that is missing now.
      const isBeside = parentOf(part) !== '' && parentOf(whole) === parentOf(part)
      assert.ok(part !== '' && (whole.startsWith(part) || isBeside), `${shown} ${JSON.stringify(error)}`)
      assert.ok(error.message.includes(param!), error.message)
    }
  }
  assert.equal(errors, [])
})

test('what there is not is told so', async () => {
  for (const path of ['/v1/models/none', '/models/a/b', '/slots?fail_on_no_slot=1&model=', '/props?model=x']) {
    const response = await handler(get(path))
    assert.is(response.status, path.includes('models') ? 404 : 200, path)
  }
})

test('and then a plain request is answered', async () => {
  const response = await handler(post('/v1/completions', { prompt: 'Once upon a time', temperature: 0 }))
  const { text } = await model.generate('Once upon a time', { temperature: 0, maxTokens: MOST_TOKENS }).result()
  const { choices } = (await response.json()) as { choices: { text: string }[] }
  assert.is(choices[0]!.text, text)
})

test.run()
