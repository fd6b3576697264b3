/** The command line and models behind HTTP: headers, tokens, checksums, interruption. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cria } from '../cli-helpers.ts'

const MODEL = readFileSync('models/stories260K.gguf')
const TELL = ['-p', 'Once', '-n', '5', '--temp', '0']

/** Serves the model, or only its first half and then nothing. */
async function withServer(stall: boolean, run: (url: string, seen: IncomingHttpHeaders[]) => Promise<void>) {
  const seen: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers)
    const [, first = '0'] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? []
    const start = Number(first)
    response.writeHead(206, {
      'content-length': MODEL.length - start,
      'content-range': `bytes ${start}-${MODEL.length - 1}/${MODEL.length}`,
    })
    if (stall) response.write(MODEL.subarray(start, MODEL.length / 2))
    else response.end(MODEL.subarray(start))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`, seen)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('a URL is as good as a path; headers go along, a token for the hub does not', async () => {
  await withServer(false, async (url, seen) => {
    const told = await cria(TELL)
    const env = { HF_TOKEN: 'hf_secret' }
    assert.equal(await cria([...TELL, '-m', url, '--header', 'X-Test: a: b'], { env }), told)
    assert.is((await cria(['inspect', url, '--header', 'X-Test: a: b', '--json'], { env })).code, 0)
    const ids = await cria(['tokenize', '-m', url, '--header', 'X-Test: a: b', '--ids', '-p', 'Hello'], { env })
    assert.equal(ids, await cria(['tokenize', '--ids', '-p', 'Hello']))
    assert.ok(seen.length >= 3)
    for (const headers of seen) assert.equal([headers['x-test'], headers.authorization], ['a: b', undefined])
  })
})

test('--sha256 refuses other bytes', async () => {
  const right = createHash('sha256').update(MODEL).digest('hex')
  assert.equal(await cria([...TELL, '--sha256', right]), await cria(TELL))
  const { code, stdout, stderr } = await cria([...TELL, '--sha256', '0'.repeat(64)])
  assert.equal([code, stdout], [1, ''])
  assert.match(stderr, /\(SHA256_MISMATCH\)\n$/)
})

test('Ctrl-C ends loading', async () => {
  await withServer(true, async (url, seen) => {
    const { code, stdout, stderr } = await cria([...TELL, '-m', url], {
      onStart: (child) => {
        const timer = setInterval(() => {
          if (seen.length === 0) return
          clearInterval(timer)
          setTimeout(() => child.kill('SIGINT'), 300)
        }, 20).unref()
      },
    })
    assert.equal([code, stdout, stderr], [130, '', ''])
  })
})

test.run()
