/** What the tests of the built package share: models, small servers, checks of errors, processes of their own. */
import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CriaError, type Generation } from 'cria'
import * as assert from 'uvu/assert'
import { shared } from './shared.ts'

export const STORIES = 'models/stories260K.gguf'
export const SMOLLM = shared('models', 'SmolLM2-135M-Instruct.Q4_1.gguf')

/** The CriaError that a promise rejects with (or a function throws): of this class and code, with a whole sentence. */
export async function fails(
  work: Promise<unknown> | (() => unknown),
  Class: new (...args: never[]) => CriaError,
  code?: string,
): Promise<CriaError> {
  let error: unknown
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (thrown) {
    error = thrown
  }
  assert.ok(error !== undefined, `should have failed with ${code ?? Class.name}`)
  assert.instance(error, CriaError, `${String(error)} is no CriaError`)
  const cria = error as CriaError
  assert.instance(cria, Class, `${cria.name} ${cria.code}: ${cria.message}`)
  if (code !== undefined) assert.is(cria.code, code, cria.message)
  assert.match(cria.code, /^[A-Z0-9_]+$/)
  assert.match(cria.message, /^\S.{10,}[.)…]$/su, 'a sentence')
  return cria
}

/** The bits of floats, to be compared as text. */
export function bits(data: Float32Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
}

export async function collect(generation: Generation): Promise<string[]> {
  const pieces: string[] = []
  for await (const piece of generation) pieces.push(piece)
  return pieces
}

/** Milliseconds that work takes. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export interface Server {
  url: string
  requests: IncomingMessage[]
  close(): void
}

export async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    handler(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`,
    requests,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

export interface FileServerOptions {
  ranges?: boolean
  /** Bytes of each answer after which the connection breaks; all where there is none. */
  breakAfter?: number
}

/** A server's way of giving a file. */
export function fileHandler(data: Buffer, { ranges = true, breakAfter = Infinity }: FileServerOptions = {}) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const range = ranges ? /^bytes=(\d+)-$/.exec(request.headers.range ?? '') : null
    const from = range ? Number(range[1]) : 0
    const body = data.subarray(from)
    response.writeHead(range ? 206 : 200, {
      'content-length': body.length,
      ...(range && { 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` }),
    })
    if (breakAfter >= body.length) response.end(body)
    else response.write(body.subarray(0, breakAfter), () => setTimeout(() => response.destroy(), 5))
  }
}

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
  milliseconds: number
}

/** Runs a module's text in a process of its own; one that does not end by itself within `limit` has code null. */
export function runModule(
  code: string,
  { limit = 20_000, node = process.execPath, args = [] as string[] } = {},
): Promise<Ended> {
  const start = performance.now()
  return new Promise((resolve) => {
    const child = spawn(node, [...args, '--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
    const timer = setTimeout(() => child.kill('SIGKILL'), limit)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr, milliseconds: performance.now() - start })
    })
  })
}
