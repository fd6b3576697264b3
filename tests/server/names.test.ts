/** Models by whatever names clients send, addresses as they write them, keys where they put them. */
import { ArgumentError, load } from 'cria'
import { createHandler, type HandlerOptions } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'
import { ask, get, post } from './helpers.ts'

const model = await load(STORIES, { threads: 1, onWarning: () => {} })
test.after(() => model.close())

const BODY = { prompt: 'Once', max_tokens: 1 }
const CHAT = { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 }

test('a single model answers to any name, by its own', async () => {
  const handler = createHandler({ stories: model })
  for (const name of ['gpt-4o', 'text-embedding-3-small', 'llama', '', undefined, null, 'stories']) {
    for (const [path, body] of [
      ['/v1/completions', BODY],
      ['/v1/chat/completions', CHAT],
      ['/completion', BODY],
      ['/v1/embeddings', { input: 'Hi' }],
    ] as const) {
      const answer = await ask(handler, post(path, { ...body, model: name }))
      assert.equal([answer.status, answer.body.model], [200, 'stories'], `${path} ${name}`)
    }
    for (const [path, body] of [
      ['/tokenize', { content: 'Hi' }],
      ['/detokenize', { tokens: [1] }],
      ['/apply-template', { messages: CHAT.messages }],
    ] as const) {
      assert.is((await ask(handler, post(path, { ...body, model: name }))).status, 200, `${path} ${name}`)
    }
  }
  const stream = await (await handler(post('/v1/completions', { ...BODY, model: 'gpt-4o', stream: true }))).text()
  assert.match(stream, '"model":"stories"')
  assert.is((await ask(handler, get('/props?model=gpt-4o'))).status, 200)
  // A question whether it is there is no request to run it.
  assert.is((await ask(handler, get('/v1/models/gpt-4o'))).status, 404)
})

test('names may be strict, and there may be several', async () => {
  const about = { stories: { aliases: ['tiny', 'a/b'] } }
  const status = async (options: HandlerOptions, name: string): Promise<number> =>
    (await ask(createHandler({ stories: model }, options), post('/v1/completions', { ...BODY, model: name }))).status
  for (const name of ['stories', 'tiny', 'a/b']) assert.is(await status({ about, strictModel: true }, name), 200, name)
  for (const name of ['gpt-4o', 'Stories']) assert.is(await status({ about, strictModel: true }, name), 404, name)
  const handler = createHandler({ stories: model, other: model }, { about })
  for (const [name, real] of [
    ['tiny', 'stories'],
    ['a/b', 'stories'],
    ['other', 'other'],
    ['', 'stories'],
  ]) {
    const { body } = await ask(handler, post('/v1/completions', { ...BODY, model: name }))
    assert.is(body.model, real)
  }
  const unknown = await ask(handler, post('/v1/completions', { ...BODY, model: 'gpt-4o' }))
  assert.equal([unknown.status, unknown.body.error.code], [404, 'model_not_found'])
  const { data } = (await ask(handler, get('/v1/models'))).body
  assert.equal(
    data.map(({ id, aliases }: { id: string; aliases: string[] }) => [id, aliases]),
    [
      ['stories', ['tiny', 'a/b']],
      ['other', []],
    ],
  )
  for (const name of ['tiny', 'a/b', 'stories']) {
    assert.is((await ask(handler, get(`/v1/models/${name}`))).body.id, 'stories')
  }
  // A model's own name is no other's.
  const both = createHandler({ stories: model, other: model }, { about: { stories: { aliases: ['other'] } } })
  assert.is((await ask(both, get('/v1/models/other'))).body.id, 'other')
})

test('addresses go without /v1, with slashes too many, and with one at the end', async () => {
  const handler = createHandler(model)
  for (const [path, body] of [
    ['/v1/chat/completions', CHAT],
    ['/chat/completions', CHAT],
    ['//v1/chat/completions', CHAT],
    ['/responses', { input: 'Hi', max_output_tokens: 1 }],
    ['/v1/responses/', { input: 'Hi', max_output_tokens: 1 }],
    ['/messages', CHAT],
    ['/v1//messages', CHAT],
    ['/v1//chat/completions/', CHAT],
    ['//chat//completions//', CHAT],
    ['/v1/completions/', BODY],
    ['//v1/embeddings', { input: 'Hi' }],
    ['//tokenize/', { content: 'Hi' }],
  ] as const) {
    assert.is((await ask(handler, post(path, body))).status, 200, path)
  }
  for (const path of [
    '/v1/models/',
    '//models',
    '/models',
    '/health/',
    '//v1/health',
    '/slots/',
    '//props/',
    '/models/stories260K',
  ]) {
    assert.is((await ask(handler, get(path))).status, 200, path)
  }
  // The shapes are those of the address.
  assert.ok('choices' in (await ask(handler, post('//v1//completions', BODY))).body)
  assert.ok('content' in (await ask(handler, post('//completions/', BODY))).body)
  const metrics = await (await handler(get('//metrics/'))).text()
  assert.match(metrics, 'path="/v1/chat/completions",status="200"} 3')
  assert.match(metrics, 'path="/chat/completions",status="200"} 2')
})

test('addresses of other services are answered by what to use instead', async () => {
  const handler = createHandler(model)
  for (const [path, instead] of [
    ['/api/chat', '/v1/chat/completions'],
    ['/v1/rerank', 'not supported'],
    ['/rerank/', 'not supported'],
    ['/v1/audio/transcriptions', 'text alone'],
  ] as const) {
    const { status, body } = await ask(handler, post(path, {}))
    assert.equal([status, body.error.code], [404, 'unknown_url'], path)
    assert.match(body.error.message, instead)
  }
})

test('keys come as Authorization or as X-Api-Key', async () => {
  const handler = createHandler(model, { apiKeys: ['secret'] })
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await handler(get('/v1/models', headers))).status
  assert.is(await status({ 'x-api-key': 'secret' }), 200)
  assert.is(await status({ authorization: 'Bearer secret', 'x-api-key': 'wrong' }), 200)
  assert.is(await status({ 'x-api-key': 'wrong' }), 401)
  assert.is(await status({ 'x-api-key': 'Bearer secret' }), 401)
  assert.is(await status({ 'x-api-key': '' }), 401)
})

test('a prompt that is too long is told in the words that clients know', async () => {
  const handler = createHandler(model)
  const long = 'Once '.repeat(2000)
  const { context } = model.info
  for (const [path, fields, param] of [
    ['/v1/completions', { prompt: long }, 'prompt'],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: long }] }, 'messages'],
    ['/completion', { prompt: long }, 'prompt'],
    ['/v1/embeddings', { input: long }, 'input'],
  ] as const) {
    for (const stream of path === '/v1/embeddings' ? [undefined] : [undefined, true]) {
      const { status, body } = await ask(handler, post(path, { ...fields, stream }))
      const { message, n_prompt_tokens: tokens, ...rest } = body.error
      const type = 'exceed_context_size_error'
      assert.equal([status, rest], [400, { type, param, code: 'context_length_exceeded', n_ctx: context }])
      assert.ok(tokens > 2000)
      // OpenAI's words, and llama-server's.
      assert.match(message, `This model's maximum context length is ${context} tokens.`)
      assert.match(message, 'exceeds the available context size')
    }
  }
})

test('what is told of a model must be of a model, and lists of texts', async () => {
  for (const about of [
    { other: {} },
    { stories: 5 },
    { stories: { aliases: 'tiny' } },
    { stories: { tags: [5] } },
    { stories: { path: 5 } },
    5,
  ]) {
    await fails(() => createHandler({ stories: model }, { about } as never), ArgumentError, 'INVALID_OPTION')
  }
  for (const options of [{ ssePingInterval: -2 }, { strictModel: 1 }, { slots: 'no' }, { defaults: 5 }]) {
    await fails(() => createHandler(model, options as never), ArgumentError, 'INVALID_OPTION')
  }
})

test.run()
