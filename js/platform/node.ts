/** Node, and what speaks its API: Deno and Bun. */
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { parentPort, Worker } from 'node:worker_threads'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { SourceError } from '../errors.ts'
import type { ParentPort, RuntimeName, WasmFiles, WorkerHandle, WorkerKind } from './types.ts'

export { locate, openFile } from './files-node.ts'

/** Not written where it is used: bundlers would take what is relative to it for files to be found now. */
const HERE = new URL(import.meta.url)
/** Workers and wasm lie in dist/, this code in dist/chunks/; the sources find them there too. */
const DIST = new URL(HERE.pathname.endsWith('.ts') ? '../../dist/' : '../', HERE)

export function runtime(): RuntimeName {
  const { bun, deno, node } = process.versions
  if (bun !== undefined) return { name: 'Bun', version: bun }
  return deno === undefined ? { name: 'Node', version: node } : { name: 'Deno', version: deno }
}

export function cores(): number {
  return availableParallelism()
}

export function canShare(): boolean {
  return typeof SharedArrayBuffer === 'function'
}

export function canSpawn(): boolean {
  return true
}

/** @throws SourceError where the file cannot be read. */
export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(`${name}.wasm`, DIST)
  try {
    return new Uint8Array(await readFile(url))
  } catch (cause) {
    const message =
      `${url.href} cannot be read (${String(cause)}); keep the package's folder dist/ together, or give workerUrl ` +
      'where a bundler took the code out of it.'
    throw new SourceError('WASM_UNREACHABLE', message, url.href, { cause })
  }
}

/** They are files of this machine's. */
export function hasBuilds(): boolean {
  return true
}

export async function unpack(_names: readonly string[]): Promise<WasmFiles | undefined> {
  return undefined
}

export function spawn(kind: WorkerKind, onDeath: (reason: unknown) => void, folder?: string | URL): WorkerHandle {
  const url = new URL(`${kind}.js`, folder === undefined ? DIST : folderUrl(folder))
  // The bundles need none of the process's own flags, and Node refuses a worker some of them (--input-type).
  const worker = new Worker(url, { name: `cria ${kind}`, execArgv: [] })
  let reason: unknown
  let wanted = false
  worker.on('error', (error: NodeJS.ErrnoException) => {
    reason = error.code?.endsWith('MODULE_NOT_FOUND') ? noScript(url, error) : error
  })
  worker.on('exit', (code) => {
    if (!wanted) onDeath(reason ?? new Error(`it exited with code ${code}`))
  })
  // An idle model must not keep the process alive.
  worker.unref()
  return {
    endpoint: nodeEndpoint(worker),
    postMessage: (message) => worker.postMessage(message),
    onMessage: (listener) => {
      worker.on('message', listener)
    },
    hold: (alive) => {
      // Ending keeps the process alive until it is done.
      if (wanted) return
      if (alive) worker.ref()
      else worker.unref()
    },
    terminate: async () => {
      wanted = true
      await worker.terminate()
    },
  }
}

function noScript(url: URL, cause: Error): Error {
  const advice = "bundle without cria (as an external package), or pass the URL of the package's dist/ as workerUrl"
  return new Error(`its script ${url.href} could not be loaded: ${advice}`, { cause })
}

/** A URL, or a path relative to the working directory. */
function folderUrl(folder: string | URL): URL {
  return new URL(String(folder).replace(/\/?$/, '/'), pathToFileURL(`${process.cwd()}/`))
}

export function parent(): ParentPort {
  const port = parentPort
  if (!port) throw new Error('This module runs in a worker.')
  return {
    endpoint: nodeEndpoint(port),
    postMessage: (message) => port.postMessage(message),
    onMessage: (listener) => {
      port.on('message', listener)
    },
  }
}

export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
