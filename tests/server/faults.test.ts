/** A worker that dies under load: every request under way is told within a second, and the server goes on by itself. */
import { Worker } from 'node:worker_threads'
import { load } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listen } from '../../js/cli/http.ts'
import { STORIES } from '../api-helpers.ts'

/** Workers in the order they were started (each is unref'd then), the leader of a model first. */
const workers = new Set<Worker>()
const { unref } = Worker.prototype
Worker.prototype.unref = function (this: Worker) {
  workers.add(this)
  return unref.call(this)
}

const LIMIT = 1000
const STREAMS = 6
const PARALLEL = 4
/** Of one request for embeddings. */
const TEXTS = 500
const GREEDY = { prompt: 'Once', temperature: 0, max_tokens: 12 }
const ENDLESS = { ...GREEDY, ignore_eos: true, max_tokens: 100_000 }

interface Failure {
  error: { message: string; type: string; param: string | null; code: string }
}

for (const [who, index] of [
  ['the leader', 0],
  ['another thread', 1],
] as const) {
  test(`${who} dies`, async () => {
    workers.clear()
    const model = await load(STORIES, { threads: 2, context: 8192, parallel: PARALLEL, onWarning: () => {} })
    const team = [...workers]
    const errors: unknown[] = []
    const handler = createHandler(model, { parallel: 32, onError: (error) => errors.push(error) })
    const { url, drain } = await listen(handler, { host: '127.0.0.1', port: 0 })
    const ask = (body: object): Promise<Response> =>
      fetch(`${url}/v1/completions`, { method: 'POST', body: JSON.stringify(body) })
    try {
      const before = await (await ask(GREEDY)).json()
      const streams = Array.from({ length: STREAMS }, async () => (await ask({ ...ENDLESS, stream: true })).text())
      const wholes = [ask({ ...ENDLESS, n: 3 }), ask(ENDLESS)]
      const embedding = fetch(`${url}/v1/embeddings`, {
        method: 'POST',
        body: JSON.stringify({ input: Array(TEXTS).fill('Once upon a time '.repeat(50)) }),
      })
      // All have come, and some run while more wait for a place in the model.
      for (let come = 0; come < STREAMS + 4 + PARALLEL; ) {
        const { running, waiting } = await model.status()
        come = running + waiting
      }
      const start = performance.now()
      void team[index]!.terminate()
      for (const text of await Promise.all(streams)) {
        // An event of those that had begun, the whole answer of those that had not.
        const last = text.split('\n\n').filter(Boolean).at(-1)!
        checkFailure(JSON.parse(last.replace(/^data: /, '')))
      }
      for (const response of await Promise.all([...wholes, embedding])) {
        assert.equal([response.status, response.headers.get('retry-after')], [503, '1'])
        checkFailure(await response.json())
      }
      assert.ok(performance.now() - start < LIMIT, `${performance.now() - start} ms`)
      assert.is(errors.length, STREAMS + 3)
      const after = await Promise.all(Array.from({ length: 8 }, async () => (await ask(GREEDY)).json()))
      for (const { choices } of after) assert.equal(choices, before.choices)
      assert.is(workers.size, 4)
      const { kvPages } = await model.status()
      assert.is(kvPages.used, 0)
    } finally {
      await drain()
      await model.close()
    }
  })
}

function checkFailure({ error }: Failure): void {
  assert.equal([error.type, error.param, error.code], ['unavailable_error', null, 'worker_died'])
  assert.match(error.message, /The next call loads the model again\.$/)
}

test.run()
