/** Node, and what speaks its API: Deno and Bun. The workers and the wasm are files in the package's folder, or packed. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { SourceError } from '../errors.ts'
import { breathe } from './node-common.ts'
import type { StorePlace } from './store-types.ts'
import type { WasmFiles, WorkerHandle, WorkerKind } from './types.ts'

export { breathe, canShare, canSpawn, cores, locate, openFile, parent, runtime } from './node-common.ts'

/**
 * The files of dist/, relative to the code in dist/chunks/. They are written out one by one, and not as arrow functions: so
 * those who carry a program's files elsewhere find them (@vercel/nft, for one). Bundlers copy each alone, under another name.
 */
function besideCode(name: string): URL {
  switch (name) {
    case 'leader.js':
      return new URL('../leader.js', import.meta.url)
    case 'thread.js':
      return new URL('../thread.js', import.meta.url)
    case 'quantize.js':
      return new URL('../quantize.js', import.meta.url)
    case 'simd.wasm':
      return new URL('../simd.wasm', import.meta.url)
    case 'relaxed.wasm':
      return new URL('../relaxed.wasm', import.meta.url)
    default:
      return new URL('../quantize.wasm', import.meta.url)
  }
}

/**
 * A file of dist/, where the rest of dist/ is around it. Elsewhere this code is in a bundle: then there is none, or something
 * else of that name, or a script without the code that it imports.
 */
function fileOf(name: string): URL | undefined {
  // A bundle in CommonJS has no address.
  const here: string | undefined = import.meta.url
  if (!here) return undefined
  const url = here.endsWith('.ts') ? new URL(`../../dist/${name}`, here) : besideCode(name)
  // Bundlers may give paths, and Deno code from the web.
  if (url.protocol !== 'file:') return undefined
  try {
    return [url, new URL('chunks/platform-node.js', url)].every((file) => existsSync(file)) ? url : undefined
  } catch {
    // Deno forbids to look without a permission.
    return undefined
  }
}

/** @throws SourceError where the file cannot be read. */
export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = fileOf(`${name}.wasm`)
  if (!url) return (await unpack([name]))![name]!
  try {
    return new Uint8Array(await readFile(url))
  } catch (cause) {
    const message = `${url.href} cannot be read (${String(cause)}); keep the package's folder dist/ together.`
    throw new SourceError('WASM_UNREACHABLE', message, url.href, { cause })
  }
}

export async function store(): Promise<StorePlace | undefined> {
  const { nodeStore } = await import('./store-node.ts')
  return nodeStore()
}

/** They are files of this machine's, or within the code. */
export function hasBuilds(): boolean {
  return true
}

/** The script of all workers, where they are no files. */
let script: string | undefined

/** @throws SourceError where the package's code is not whole. */
export async function unpack(names: readonly string[]): Promise<WasmFiles | undefined> {
  if (fileOf('leader.js')) return undefined
  try {
    const { unpackScript, unpackWasm } = await import('./unpacked.ts')
    script ??= await unpackScript(breathe)
    return await unpackWasm(names, breathe)
  } catch (cause) {
    const message =
      `cria's workers and wasm are not to be found (${String(cause)}); bundle all of its code, leave it out of the bundle ` +
      "(as an external package), or pass the path of the package's dist/ as workerUrl."
    throw new SourceError('WASM_UNREACHABLE', message, undefined, { cause })
  }
}

export function spawn(kind: WorkerKind, onDeath: (reason: unknown) => void, folder?: string | URL): WorkerHandle {
  // Node's leader imports grammars when it needs them.
  const file = `${kind === 'grammars' ? 'leader' : kind}.js`
  const url = folder === undefined ? fileOf(file) : new URL(file, folderUrl(folder))
  const name = `cria ${kind}`
  // The bundles need none of the process's own flags, and Node refuses a worker some of them (--input-type).
  const options = { name, execArgv: [] }
  const worker = url
    ? new Worker(url, options)
    : new Worker(`globalThis.name = '${name} node';${script}`, { ...options, eval: true })
  let reason: unknown
  let wanted = false
  worker.on('error', (error: NodeJS.ErrnoException) => {
    reason = url && error.code?.endsWith('MODULE_NOT_FOUND') ? noScript(url, error) : error
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
  const advice = "keep the package's folder dist/ together; workerUrl is its path or URL"
  return new Error(`its script ${url.href} could not be loaded: ${advice}`, { cause })
}

/** A URL, or a path relative to the working directory. */
function folderUrl(folder: string | URL): URL {
  return new URL(String(folder).replace(/\/?$/, '/'), pathToFileURL(`${process.cwd()}/`))
}
