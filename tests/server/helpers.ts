/** What tests of the server share: `cria serve` in a process of its own, on a free port, and streams. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Model } from 'cria'
import { createHandler, type Handler, type HandlerOptions, type RequestLog } from 'cria/server'
import * as assert from 'uvu/assert'
import { CLI } from '../cli-helpers.ts'

export interface Serving {
  /** Of the server's root. */
  url: string
  child: ChildProcess
  /** Its exit code; null where a signal ended it. */
  ended: Promise<number | null>
  /** What it has said so far. */
  stderr(): string
}

/** Resolves when it is ready; rejects where it ends before. */
export function serve(...args: string[]): Promise<Serving> {
  return serveWith({}, ...args)
}

/** With these environment variables. */
export async function serveWith(env: Record<string, string>, ...args: string[]): Promise<Serving> {
  const child = spawn(process.execPath, [CLI, 'serve', '--port', '0', ...args], { env: { ...process.env, ...env } })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('close', () => process.off('exit', kill))
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
      resolve()
    })
    void ended.then((code) => reject(new Error(`cria serve ended with code ${code}: ${stderr}`)))
  })
  const url = /^cria: .* at (http:\/\/127\.0\.0\.1:\d+\S*)\/v1\n$/.exec(stdout)?.[1]
  if (url === undefined) throw new Error(`cria serve said ${stdout}`)
  return { url, child, ended, stderr: () => stderr }
}

/** Longer than any test waits. */
export const ENDLESS = { prompt: 'Once', ignore_eos: true, n: 16, stream: true }

/** The reader of a stream whose first piece has come. */
export const first = async (response: Response): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
  const reader = response.body!.getReader()
  assert.not((await reader.read()).done)
  return reader
}

export function post(path: string, body: unknown, init: RequestInit = {}): Request {
  return new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body), ...init })
}

export const get = (path: string, headers: Record<string, string> = {}) =>
  new Request(`http://localhost${path}`, { headers })

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  body: any
}

export async function ask(handler: Handler, request: Request): Promise<Answer> {
  const response = await handler(request)
  return { status: response.status, headers: response.headers, body: await response.json() }
}

/** A handler and what it logs. */
export function logged(
  model: Model,
  options: HandlerOptions = {},
): { handler: Handler; log: RequestLog[]; next(): Promise<RequestLog> } {
  const log: RequestLog[] = []
  let wake = () => {}
  const onRequest = (entry: RequestLog): void => {
    log.push(entry)
    wake()
  }
  const next = async (): Promise<RequestLog> => {
    if (log.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return log.shift()!
  }
  return { handler: createHandler({ stories: model }, { ...options, onRequest }), log, next }
}

/** The data of each event of a stream; comments, which stand where nothing else came for a while, are left out. */
export function dataOf(stream: string): string[] {
  const events = stream.split('\n\n').filter((event) => event !== '' && !event.startsWith(':'))
  return events.map((event) => event.replace(/^data: /, ''))
}
