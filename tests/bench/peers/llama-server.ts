/** llama.cpp's own server as a peer of many streams: started for a measurement, asked over HTTP. */
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { start } from '../../runtimes/process.ts'
import type { Session, StreamPeer } from '../streams.ts'

const CACHE = process.env.CRIA_PEERS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cria-peers')
const LLAMA_SERVER = join(CACHE, 'llama-server')

export function llamaServer(): StreamPeer {
  return {
    key: 'llama.cpp',
    title: 'llama-server',
    missing: existsSync(LLAMA_SERVER)
      ? undefined
      : `${LLAMA_SERVER} is absent: sh tests/bench/peers/build-llama-bench.sh makes it`,
    open,
  }
}

async function open({ model, threads, parallel, tokens, kv }: Parameters<StreamPeer['open']>[0]): Promise<Session> {
  const port = await freePort()
  const count = String(threads)
  const server = start(LLAMA_SERVER, [
    ...['-m', model, '-np', String(parallel), '-t', count, '-tb', count, '-c', String(parallel * tokens)],
    ...['-ctk', kv, '-ctv', kv, '--cache-ram', '0', '--host', '127.0.0.1', '--port', String(port)],
  ])
  try {
    await server.said(/listening on http/)
    await healthy(`http://127.0.0.1:${port}/health`)
  } catch (error) {
    await server.end()
    throw error
  }
  return {
    generate: (prompt, options) => complete(`http://127.0.0.1:${port}/completion`, prompt, options),
    close: () => server.end(),
  }
}

/** It listens before it has loaded. */
async function healthy(url: string): Promise<void> {
  while ((await fetch(url)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
}

async function complete(
  url: string,
  prompt: readonly number[],
  { maxTokens, onToken, signal }: Parameters<Session['generate']>[1],
): Promise<number> {
  const stream = onToken !== undefined
  const body = { prompt, n_predict: maxTokens, temperature: 0, ignore_eos: true, cache_prompt: false, stream }
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(url, { ...init, ...(signal && { signal }) })
  if (!response.ok) throw new Error(`llama-server: ${response.status} ${await response.text()}`)
  if (!stream) return ((await response.json()) as { tokens_predicted: number }).tokens_predicted
  let count = 0
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = text.split('\n\n').filter((event) => event.startsWith('data: ') && /"stop":\s*false/.test(event))
    for (const _ of events) onToken()
    count += events.length
  }
  return count
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
