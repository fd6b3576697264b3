/** The handler under load, and when clients leave, read nothing or send too much. */
import { load } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { ask, dataOf, ENDLESS, first, get, logged, post } from './helpers.ts'

const model = await load(STORIES, { threads: 2, onWarning: () => {} })
test.after(() => model.close())

const GREEDY = { temperature: 0, max_tokens: 12 }

test('a body beyond the limit is not read to its end', async () => {
  const handler = createHandler(model, { bodyLimit: 1000 })
  let pulled = 0
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled++
      controller.enqueue(new Uint8Array(400))
    },
  })
  const init = { method: 'POST', body, duplex: 'half' } as RequestInit
  const { status } = await ask(handler, new Request('http://localhost/v1/completions', init))
  assert.is(status, 413)
  assert.ok(pulled < 10, `${pulled} pieces`)
})

test('a client that leaves while it sends its body is no failure of the server', async () => {
  const errors: unknown[] = []
  const { handler, next } = logged(model, { onError: (error) => errors.push(error) })
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error('broken')) })
  const init = { method: 'POST', body, duplex: 'half' } as RequestInit
  assert.is((await handler(new Request('http://localhost/v1/completions', init))).status, 499)
  assert.is((await next()).status, 499)
  assert.is(errors.length, 0)
})

test('a body that stalls takes no longer than the timeout', async () => {
  const { handler, next } = logged(model, { timeout: 50 })
  let cancelled = false
  const body = new ReadableStream({
    cancel: () => {
      cancelled = true
    },
  })
  const init = { method: 'POST', body, duplex: 'half' } as RequestInit
  assert.is((await handler(new Request('http://localhost/v1/completions', init))).status, 504)
  assert.is((await next()).status, 504)
  assert.ok(cancelled)
})

test('a client that has left before it is heard gets nothing generated', async () => {
  const { handler, next } = logged(model)
  const request = post('/v1/completions', { ...ENDLESS, stream: false }, { signal: AbortSignal.abort() })
  assert.is((await handler(request)).status, 499)
  assert.is((await next()).completionTokens, undefined)
})

test('more than may wait are told to come back; a place that a client leaves is free again', async () => {
  const { handler, next } = logged(model, { parallel: 1, queue: 1 })
  const running = await first(await handler(post('/v1/completions', ENDLESS)))
  const leaving = new AbortController()
  const waits = handler(post('/v1/completions', { prompt: 'x', max_tokens: 1 }, { signal: leaving.signal }))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const full = await ask(handler, post('/v1/completions', { prompt: 'x', max_tokens: 1 }))
  assert.equal([full.status, full.headers.get('retry-after'), full.body.error.code], [429, '1', 'queue_full'])
  const metrics = await handler(get('/metrics'))
  assert.is(metrics.headers.get('content-type'), 'text/plain; version=0.0.4')
  assert.match(await metrics.text(), /requests_processing 1\n.*requests_deferred 1\n/s)
  leaving.abort()
  assert.is((await waits).status, 499)
  const second = handler(post('/v1/completions', { prompt: 'Once', ...GREEDY }))
  await running.cancel()
  assert.is((await second).status, 200)
  const logs = [await next(), await next(), await next(), await next(), await next()]
  assert.equal(logs.map(({ status }) => status).sort(), [200, 200, 429, 499, 499])
})

test('a request that asks for much leaves places to others', async () => {
  const narrow = await load(STORIES, { threads: 2, parallel: 2, onWarning: () => {} })
  try {
    const handler = createHandler(narrow, { parallel: 4 })
    for (const [path, body] of [
      ['/v1/completions', { prompt: Array(64).fill('Once'), n: 4, ignore_eos: true, max_tokens: 30 }],
      ['/v1/embeddings', { input: Array(2000).fill('Once upon a time') }],
    ] as const) {
      let over = false
      const much = handler(post(path, body)).then((response) => {
        over = true
        return response
      })
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.is((await ask(handler, post('/v1/completions', { prompt: 'Two', ...GREEDY }))).status, 200)
      assert.not(over, path)
      assert.is((await much).status, 200)
    }
  } finally {
    await narrow.close()
  }
})

test('a client that goes stops its generation, whole or streamed', async () => {
  const { handler, next } = logged(model)
  const leaving = new AbortController()
  const { stream: _, ...whole } = ENDLESS
  const answer = handler(post('/v1/completions', whole, { signal: leaving.signal }))
  setTimeout(() => leaving.abort(), 50)
  assert.is((await answer).status, 499)
  assert.is((await next()).status, 499)
  const reader = await first(await handler(post('/v1/completions', ENDLESS)))
  await reader.cancel()
  assert.is((await next()).status, 499)
  assert.is((await ask(handler, post('/v1/completions', { prompt: 'Once', ...GREEDY }))).status, 200)
})

test('what takes too long ends: 504, or an event in a stream that has begun', async () => {
  const handler = createHandler(model, { timeout: 100 })
  const { stream: _, ...whole } = ENDLESS
  const { status, body } = await ask(handler, post('/v1/completions', whole))
  assert.equal([status, body.error.type], [504, 'timeout_error'])
  // Time enough to begin, on a busy machine too.
  const patient = createHandler(model, { timeout: 3000 })
  const events = dataOf(await (await patient(post('/v1/completions', ENDLESS))).text())
  assert.is(JSON.parse(events.at(-1)!).error.code, 'timeout')
})

test('a client that reads nothing gives its place up when the time is over', async () => {
  const { handler, next } = logged(model, { timeout: 200, parallel: 1 })
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  let settled = false
  const waitUntil = (work: Promise<unknown>): void => void work.then(() => (settled = true))
  const unread = await handler(post('/v1/completions', ENDLESS), { waitUntil })
  while ((await model.status()).running > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  let status = 504
  // Those that come before that wait in vain.
  for (let i = 0; i < 20 && status === 504; i++) {
    status = (await ask(handler, post('/v1/completions', { prompt: 'Once', max_tokens: 1 }))).status
  }
  assert.is(status, 200)
  assert.is((await next()).status, 504)
  assert.ok(settled)
  // And it is told, if it still reads.
  assert.match(await unread.text(), /"code":"timeout"\}\}\n\n$/)
  process.off('warning', warned)
  assert.equal(warnings, [])
})

test.run()
