/**
 * What drives a runtime: a driver is a module that exports a {@link Driver}. It runs the cases of tests/conformance/cases.mjs, the same
 * everywhere; what they take and give is plain data.
 */
import { spawn } from 'node:child_process'

export interface Driver {
  readonly name: string
  /** Why it cannot run on this machine and what would change that, or undefined. */
  missing(): string | undefined
  start(options: StartOptions): Promise<Runtime>
}

export interface StartOptions {
  /** Of the server in examples/browser: its files are the repository's, with a slash at the end. */
  url: string
  /** The page to run the cases in, where there are pages; default `tests/conformance/page.html`. */
  page?: string
  /** Flags for the runtime. */
  args?: readonly string[]
  /** Milliseconds after which a case is taken to hang; default {@link CASE_TIMEOUT}. */
  timeout?: number
}

export interface Runtime {
  readonly version: string
  /** Runs a case in a fresh page or process; rejects with what it throws. */
  run<T>(name: string, argument: unknown): Promise<T>
  close(): Promise<void>
}

export const CASE_TIMEOUT = 30_000

export interface Server {
  url: string
  close(): void
}

/** Starts examples/browser/serve.mjs in a process of its own, on a free port. */
export function startServer(args: readonly string[] = []): Promise<Server> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['examples/browser/serve.mjs', '--port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // Whatever ends this process ends the server.
    process.once('exit', () => child.kill())
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`The server ended with code ${code}.`)))
    child.stdout.setEncoding('utf8').once('data', (text: string) => {
      resolve({ url: text.trim(), close: () => void child.kill() })
    })
  })
}
