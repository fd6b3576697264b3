/** A worker that dies under load: every request under way gets the answer that it would have got. */
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { load } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listen } from '../../js/cli/http.ts'
import { STORIES } from '../api-helpers.ts'
import { dataOf } from './helpers.ts'

/** Workers in the order they were started (each is unref'd then), the leader of a model first. */
const workers = new Set<Worker>()
const { unref } = Worker.prototype
Worker.prototype.unref = function (this: Worker) {
  // Node's own worker for module hooks is of another class.
  if (this.constructor === Worker) workers.add(this)
  return unref.call(this)
}

const STREAMS = 6
const PARALLEL = 4
/** Of the request for embeddings. */
const TEXTS = 20
const GREEDY = { prompt: 'Once', temperature: 0, max_tokens: 200, ignore_eos: true }
const SAMPLED = { ...GREEDY, temperature: 1, seed: 5, logprobs: 2 }

/** The answer to a request but for its id, times and cache hits; of a stream, its events. */
function lasting(text: string): string {
  return dataOf(text)
    .join('\n')
    .replace(/"(id|created|cached_tokens)":("[^"]*"|\d+)/g, '"$1":0')
    .replace(/,"timings":\{[^}]*\}/g, '')
}

for (const [who, index] of [
  ['the leader', 0],
  ['another thread', 1],
] as const) {
  test(`${who} dies`, async () => {
    workers.clear()
    const codes: string[] = []
    const onWarning = ({ code }: { code: string }) => codes.push(code)
    const model = await load(STORIES, { threads: 2, parallel: PARALLEL, onWarning })
    const team = [...workers]
    const errors: unknown[] = []
    const handler = createHandler(model, { parallel: 32, onError: (error) => errors.push(error) })
    const { url, drain } = await listen(handler, { host: '127.0.0.1', port: 0 })
    const ask = async (path: string, body: object): Promise<string> => {
      const response = await fetch(`${url}/v1/${path}`, { method: 'POST', body: JSON.stringify(body) })
      assert.is(response.status, 200)
      return lasting(await response.text())
    }
    const everything = (): Promise<string>[] => [
      ...Array.from({ length: STREAMS }, (_, i) => ask('completions', { ...SAMPLED, seed: i, stream: true })),
      ask('completions', { ...SAMPLED, n: 3 }),
      ask('completions', GREEDY),
      ask('embeddings', { input: Array(TEXTS).fill('Once upon a time '.repeat(50)) }),
    ]
    try {
      const expected = await Promise.all(everything())
      assert.match(expected[0]!, /^\{.*\n\[DONE\]$/s)
      await model.reset()
      const answers = everything()
      // All have come, and some run while more wait for a place in the model.
      for (let come = 0; come < STREAMS + 4 + PARALLEL; ) {
        const { running, waiting } = await model.status()
        come = running + waiting
      }
      void team[index]!.terminate()
      assert.equal(await Promise.all(answers), expected)
      assert.equal(errors, [])
      assert.equal(codes, ['WORKER_RESTARTED'])
      assert.is(workers.size, 4)
      const { kvPages } = await model.status()
      assert.is(kvPages.used, 0)
    } finally {
      await drain()
      await model.close()
    }
  })
}

test('where the model cannot be loaded again, requests are answered 503', async () => {
  workers.clear()
  const model = await load(readFileSync(STORIES), { threads: 2, context: 2048, onWarning: () => {} })
  const team = [...workers]
  const handler = createHandler(model, { onError: () => {} })
  const { url, drain } = await listen(handler, { host: '127.0.0.1', port: 0 })
  const ask = (body: object): Promise<Response> =>
    fetch(`${url}/v1/completions`, { method: 'POST', body: JSON.stringify(body) })
  try {
    const whole = ask({ ...GREEDY, max_tokens: 2000 })
    const reader = (await ask({ ...GREEDY, max_tokens: 2000, stream: true })).body!.getReader()
    await reader.read()
    void team[1]!.terminate()
    const response = await whole
    assert.equal([response.status, response.headers.get('retry-after')], [503, '1'])
    checkFailure(await response.json())
    let text = ''
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += new TextDecoder().decode(part.value)
    checkFailure(JSON.parse(dataOf(text).at(-1)!))
  } finally {
    await drain()
    await model.close()
  }
})

function checkFailure({
  error,
}: {
  error: { message: string; type: string; param: string | null; code: string }
}): void {
  assert.equal([error.type, error.param, error.code], ['unavailable_error', null, 'worker_died'])
  assert.match(error.message, /its bytes were not kept\.$/)
}

test.run()
