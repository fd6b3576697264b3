/** `cria serve`: how it begins and ends, what its flags come to, what it makes of improper requests. */
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES, serve as serveFile } from '../api-helpers.ts'
import { CLI, cria } from '../cli-helpers.ts'
import { start } from '../runtimes/process.ts'
import { ENDLESS, first, serve } from './helpers.ts'

test('cria serve lets answers end at the first signal, and ends at once at the second', async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const { url, child, ended, stderr } = await serve()
    const body = JSON.stringify({ prompt: 'Once', ignore_eos: true, n: 2, stream: true })
    const response = await fetch(`${url}/v1/completions`, { method: 'POST', body })
    const reader = await first(response)
    child.kill(signal)
    let text = ''
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += Buffer.from(part.value).toString()
    }
    assert.match(text, /\[DONE\]/)
    assert.is(await ended, 0, stderr())
    assert.match(stderr(), /POST \/v1\/completions 200 \d+ ms, \d+ prompt tokens \(\d+ cached\), \d+ generated\n/)
  }
  const { url, child, ended } = await serve()
  const body = JSON.stringify({ ...ENDLESS, prompt: Array(64).fill('Once') })
  await first(await fetch(`${url}/v1/completions`, { method: 'POST', body }))
  child.kill('SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 100))
  child.kill('SIGTERM')
  assert.is(await ended, 143)
})

test('from the line with the address on, SIGTERM drains', async () => {
  for (let i = 0; i < 4; i++) {
    const { child, ended, stderr } = await serve()
    child.kill('SIGTERM')
    assert.is(await ended, 0, stderr())
  }
})

test('a signal ends the loading of a model, and closes what was begun', async () => {
  for (const [signal, expected] of [
    ['SIGTERM', 0],
    ['SIGINT', 130],
  ] as const) {
    let asked = (): void => {}
    const waits = new Promise<void>((resolve) => (asked = resolve))
    // It never answers.
    const source = await serveFile(() => asked())
    try {
      const child = spawn(process.execPath, [CLI, 'serve', '--port', '0', '-m', source.url])
      const ended = new Promise<unknown>((resolve) => child.once('close', (code, by) => resolve(code ?? by)))
      let stderr = ''
      child.stderr.on('data', (text) => (stderr += text))
      await waits
      child.kill(signal)
      assert.is(await ended, expected, stderr)
      assert.not.match(stderr, 'cria:')
    } finally {
      source.close()
    }
  }
})

test('names are a list, of which the first of all counts; several addresses share a port', async () => {
  const server = start(process.execPath, [
    ...[CLI, 'serve', '--port', '0', '--alias', 'tiny, code,fim', '--tags', 'chat,small', '--strict-model'],
    ...['--host', '127.0.0.1,127.0.0.2', '-n', '1'],
  ])
  try {
    const [said] = await server.said(/(cria: code at http:\S+:\d+\/v1\n){2}/)
    const urls = [...said.matchAll(/at (http:\S+)\/v1\n/g)].map(([, url]) => url!)
    assert.is(new Set(urls.map((url) => new URL(url).port)).size, 1)
    for (const url of urls) {
      const { data } = (await (await fetch(`${url}/models`)).json()) as { data: Record<string, unknown>[] }
      assert.equal([data[0]!.id, data[0]!.aliases, data[0]!.tags], ['code', ['code', 'fim', 'tiny'], ['chat', 'small']])
    }
    for (const [model, status] of [
      ['tiny', 200],
      ['other', 404],
    ] as const) {
      const response = await fetch(`${urls[0]}/completion`, {
        method: 'POST',
        body: JSON.stringify({ model, prompt: 'Hi' }),
      })
      assert.is(response.status, status)
    }
    const props = await (await fetch(`${urls[0]}/props`)).json()
    assert.match(props.model_path, /stories260K\.gguf$/)
  } finally {
    await server.end()
  }
})

test('with --parallel each answer has its share of -c, in steps of 256, unless the cache is unified', async () => {
  const { config } = await inspect(STORIES)
  for (const [flags, context] of [
    [['-c', '512', '-np', '2'], 256],
    [['-c', '512', '-np', '2', '--kv-unified'], config!.contextLength],
    [['-c', '512'], config!.contextLength],
    [['-c', '256', '-np', '3'], 256],
  ] as const) {
    const { url, child, ended } = await serve(...flags)
    const { default_generation_settings: settings } = await (await fetch(`${url}/props`)).json()
    assert.is(settings.n_ctx, context, flags.join(' '))
    child.kill('SIGTERM')
    assert.is(await ended, 0)
  }
})

test('flags of the server reach its answers', async () => {
  const { url, child, ended } = await serve('--no-slots', '--context-shift', '-v', '-c', '256', '-np', '1')
  assert.is((await fetch(`${url}/slots`)).status, 501)
  const body = JSON.stringify({ prompt: 'Once', max_tokens: 300, ignore_eos: true })
  const answer = await (await fetch(`${url}/v1/completions`, { method: 'POST', body })).json()
  assert.equal([answer.usage.completion_tokens, answer.__verbose.truncated], [300, true])
  child.kill('SIGTERM')
  assert.is(await ended, 0)
})

test('-c is what answers share of the cache, --parallel how many run at once', async () => {
  const { url, child, ended } = await serve('-c', '1024', '--parallel', '3', '--alias', 'a "b"\\')
  const { config } = await inspect(STORIES)
  const props = await (await fetch(`${url}/props`)).json()
  assert.equal([props.default_generation_settings.n_ctx, props.total_slots], [config!.contextLength, 3])
  const n = 8
  const body = JSON.stringify({ prompt: 'Once', ignore_eos: true, n, stream: true })
  const reader = await first(await fetch(`${url}/v1/completions`, { method: 'POST', body }))
  let metrics: string
  const value = (name: string, state: string): number =>
    Number(
      new RegExp(`^cria:${name}\\{model="a \\\\"b\\\\"\\\\\\\\",state="${state}"\\} (\\d+)$`, 'm').exec(metrics)?.[1],
    )
  // The first token may come before the other choices begin.
  do metrics = await (await fetch(`${url}/metrics`)).text()
  while (value('sequences', 'waiting') > 0)
  assert.is(value('sequences', 'running'), 3, metrics)
  assert.is(value('kv_pages', 'used') + value('kv_pages', 'cached') + value('kv_pages', 'free'), 1024 / 64)
  await reader.cancel()
  child.kill('SIGTERM')
  assert.is(await ended, 0)
})

test('who sends a whole body before reading an answer is told what is wrong with it, and can ask again', async () => {
  const { url, child, ended } = await serve('--api-key', 'secret')
  // More than a connection holds.
  const size = 16
  for (const [key, code] of [
    ['wrong', 401],
    ['secret', 413],
  ] as const) {
    for (const how of [`content-length: ${size * 2 ** 20}`, 'transfer-encoding: chunked']) {
      const chunked = how.startsWith('transfer')
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.pause()
      const write = (data: string): Promise<unknown> => new Promise((resolve) => socket.write(data, resolve))
      const part = 'x'.repeat(2 ** 20)
      await write(`POST /v1/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${key}\r\n${how}\r\n\r\n`)
      for (let i = 0; i < size; i++) await write(chunked ? `100000\r\n${part}\r\n` : part)
      await write(`${chunked ? '0\r\n\r\n' : ''}GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
      let text = ''
      for await (const data of socket) text += String(data)
      const codes = [...text.matchAll(/^HTTP\/1.1 (\d+)/gm)].map(([, status]) => Number(status))
      assert.equal(codes, [code, 200], `${key}, ${how}`)
    }
  }
  child.kill('SIGTERM')
  assert.is(await ended, 0)
})

test('cria serve answers 503 to who asks on an old connection while it ends', async () => {
  const { url, child, ended, stderr } = await serve()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const answered = new Promise<void>((resolve) => socket.once('data', () => resolve()))
  let answers = ''
  socket.setEncoding('utf8').on('data', (text) => (answers += text))
  const body = JSON.stringify({ prompt: 'Once', ignore_eos: true, stream: true })
  const head = `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}`
  socket.write(`${head}\r\n\r\n${body}`)
  await answered
  child.kill('SIGTERM')
  while (!stderr().includes('ending')) await new Promise((resolve) => setTimeout(resolve, 5))
  socket.write('GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n')
  assert.is(await ended, 0)
  const [first, second] = answers.split(/(?=HTTP\/1\.1 503)/)
  assert.match(first!, /^HTTP\/1\.1 200 .*\[DONE\]/s)
  assert.match(second ?? '', /^HTTP\/1\.1 503 .*retry-after: 1\r\n.*"ending"/is)
})

test('cria serve does not wait at its end for requests that have not arrived', async () => {
  const { url, child, ended } = await serve()
  const begun = [
    'GET /v1/mod',
    'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"pro',
  ].map((text) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
    return new Promise((resolve) => socket.write(text, resolve))
  })
  await Promise.all(begun)
  // Whoever came before is heard now.
  assert.is((await fetch(`${url}/v1/models`)).status, 200)
  child.kill('SIGTERM')
  assert.is(await ended, 0)
})

test('keys may be lists and lie in a file; flags that are given but empty open nothing', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'cria-')), 'keys')
  writeFileSync(file, '\ufeff# of the team\nof, a file \r\n\n\tano#ther\n #')
  const { url, child, ended } = await serve(
    ...['--api-key', 'a, b', '--api-key', 'c', '--api-key-file', file, '--host', '', '--chat-template', ''],
  )
  const status = async (key: string): Promise<number> =>
    (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status
  for (const key of ['a', 'b', 'c', 'of, a file', 'ano#ther']) assert.is(await status(key), 200, key)
  const messages = [{ role: 'user', content: 'Hi' }]
  const headers = { authorization: 'Bearer a' }
  const init = { method: 'POST', headers, body: JSON.stringify({ messages, max_tokens: 1 }) }
  assert.is((await fetch(`${url}/v1/chat/completions`, init)).status, 200)
  for (const key of ['', 'a,b', 'of', '# of the team', '#']) assert.is(await status(key), 401, key)
  child.kill('SIGTERM')
  assert.is(await ended, 0)
  writeFileSync(file, '\n')
  for (const flags of [
    ['--api-key', ''],
    ['--api-key', ','],
    ['--api-key-file', file],
  ]) {
    const { code, stderr } = await cria(['serve', '--port', '0', ...flags])
    assert.is(code, 2)
    assert.match(stderr, 'There is no key')
  }
  const template = await cria(['serve', '--port', '0', '--chat-template', '{% for %}'])
  assert.is(template.code, 1)
  assert.match(template.stderr, '(TEMPLATE_')
})

test('who reads the log may leave before the clients do', async () => {
  const { url, child, ended } = await serve()
  child.stderr!.destroy()
  for (let i = 0; i < 5; i++) assert.is((await fetch(`${url}/v1/models`)).status, 200)
  child.kill('SIGTERM')
  assert.is(await ended, 0)
})

test('cria serve answers what is no proper request, and listens on loopback alone', async () => {
  const server = start(process.execPath, [CLI, 'serve', '--port', '0', '--alias', 'x'])
  try {
    const [, port] = (await server.said(/at http:\/\/127\.0\.0\.1:(\d+)\/v1\n/)) as unknown as [string, string]
    const status = (options: object): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        httpRequest({ host: '127.0.0.1', port, ...options }, (response) => resolve(response.resume().statusCode))
          .once('error', reject)
          .end()
      })
    assert.is(await status({ path: '/v1/models' }), 200)
    // Clients keep connections for some seconds; none shall be closed just as it is used again.
    const { headers } = await fetch(`http://127.0.0.1:${port}/health`)
    assert.ok(Number(/timeout=(\d+)/.exec(headers.get('keep-alive') ?? '')?.[1]) > 60)
    assert.is(await status({ path: '/v1/models', method: 'TRACE' }), 405)
    assert.is(await status({ path: '/v1/models', headers: { host: 'not a host' } }), 400)
    // What a page can make its own name lead to.
    for (const [host, expected] of [
      ['localhost:1', 200],
      ['[::1]', 200],
      ['127.0.0.2', 200],
      ['evil.example', 403],
      ['127.0.0.1.evil.example', 403],
      ['192.168.0.1', 403],
    ] as const) {
      assert.is(await status({ path: '/v1/models', headers: { host, origin: `http://${host}` } }), expected, host)
    }
    const socket = connect(Number(port), '127.0.0.1')
    // As a proxy is asked.
    socket.write('GET http://localhost/health HTTP/1.1\r\nhost: elsewhere\r\nconnection: close\r\n\r\n')
    let text = ''
    for await (const data of socket) text += String(data)
    assert.match(text, /^HTTP\/1.1 200 /)
    const taken = await cria(['serve', '--port', port])
    assert.is(taken.code, 1)
    assert.match(taken.stderr, /EADDRINUSE/)
  } finally {
    await server.end()
  }
})

test.run()
