/** `/openapi.json`: valid, and of all that the router has. */
import { Validator } from '@seriousme/openapi-schema-validator'
import { load } from 'cria'
import { PatternRouter } from 'hono/router/pattern-router'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createHandler } from '../../js/server/handler.ts'
import { ENDPOINTS } from '../../js/server/schemas.ts'
import { STORIES } from '../api-helpers.ts'
import { ask, get, post } from './helpers.ts'

/** What handlers tell their routers. */
const routes: [method: string, path: string][] = []
const { add } = PatternRouter.prototype
PatternRouter.prototype.add = function (this: PatternRouter<unknown>, method, path, handler) {
  routes.push([method, path])
  return add.call(this, method, path, handler)
}

const model = await load(STORIES, { threads: 1 })
test.after(() => model.close())

interface Operation {
  operationId: string
  security?: object[]
  responses: Record<string, { content?: Record<string, object> }>
}
interface Document {
  security: object[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties: Record<string, { description?: string }> }> }
}

const documentOf = async (options = {}, headers = {}): Promise<Document> =>
  (await ask(createHandler({ stories: model }, options), get('/openapi.json', headers))).body

test('it is a valid document of OpenAPI 3.1', async () => {
  const validator = new Validator()
  const { valid, errors } = await validator.validate((await documentOf()) as never)
  assert.ok(valid, JSON.stringify(errors))
  assert.is(validator.version, '3.1')
})

test('it has every address of the router, and no other', async () => {
  routes.length = 0
  const { paths } = await documentOf()
  const written = ([method, path]: [string, string]): string => `${method} ${path.replace(/:(\w+)\{.+\}/, '{$1}')}`
  // `ALL *` is for keys and origins.
  const told = routes.filter(([method]) => method !== 'ALL').map(written)
  const found = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  )
  assert.equal(found.sort(), told.sort())
  assert.ok(found.length > 20)
  const ids = Object.values(paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  assert.is(new Set(ids).size, ids.length)
})

test('every field that is checked is there, and described', async () => {
  const { schemas } = (await documentOf()).components
  for (const [name, { takes, idle, refused }] of Object.entries(ENDPOINTS)) {
    const { properties } = schemas[`${name[0]!.toUpperCase()}${name.slice(1)}Request`]!
    assert.equal(Object.keys(properties).sort(), Object.keys({ ...takes, ...idle, ...refused }).sort(), name)
    for (const [field, { description }] of Object.entries(properties)) assert.ok(description, `${name}.${field}`)
  }
})

test('keys are asked for where there are some', async () => {
  const open = await documentOf()
  assert.equal(open.security, [{}, { bearer: [] }, { apiKey: [] }])
  const apiKeys = ['secret']
  assert.is((await ask(createHandler(model, { apiKeys }), get('/openapi.json'))).status, 401)
  const closed = await documentOf({ apiKeys }, { 'x-api-key': 'secret' })
  assert.equal(closed.security, [{ bearer: [] }, { apiKey: [] }])
  for (const { paths } of [open, closed]) {
    assert.equal(paths['/health']!.get!.security, [])
    assert.not('401' in paths['/health']!.get!.responses)
    assert.is(paths['/props']!.get!.security, undefined)
    assert.ok('401' in paths['/props']!.get!.responses)
  }
})

test('streams have their type beside that of whole answers, texts theirs', async () => {
  const { paths } = await documentOf()
  const types = (path: string, method: string): string[] => Object.keys(paths[path]![method]!.responses[200]!.content!)
  for (const path of ['/v1/chat/completions', '/chat/completions', '/v1/completions', '/completion', '/infill']) {
    assert.equal(types(path, 'post'), ['application/json', 'text/event-stream'], path)
  }
  assert.equal(types('/v1/embeddings', 'post'), ['application/json'])
  assert.equal(types('/metrics', 'get'), ['text/plain'])
})

test('it is read alone', async () => {
  const { status, headers } = await ask(createHandler(model), post('/openapi.json', {}))
  assert.equal([status, headers.get('allow')], [405, 'GET, HEAD'])
})

test.run()
