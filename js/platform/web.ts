/** Browsers, with the workers and the wasm as files in the package's folder. */
import { SourceError } from '../errors.ts'
import type { Isa } from '../wasm-build.ts'
import type { WorkerHandle, WorkerKind } from './types.ts'
import { folderUrl, handleOf, isOwn, start } from './web-common.ts'

export { breathe, canShare, canSpawn, cores, openFile, parent, runtime } from './web-common.ts'

// Addresses relative to the code in dist/chunks/, written out one by one: so bundlers find the files.
const WASM: Readonly<Record<string, () => URL>> = {
  simd: () => new URL('../simd.wasm', import.meta.url),
  relaxed: () => new URL('../relaxed.wasm', import.meta.url),
}
const START: Readonly<Record<WorkerKind, () => Worker>> = {
  leader: () => new Worker(new URL('../web/leader.js', import.meta.url), { type: 'module', name: 'cria leader' }),
  thread: () => new Worker(new URL('../web/thread.js', import.meta.url), { type: 'module', name: 'cria thread' }),
}

/** @throws SourceError where the file cannot be had. */
export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = WASM[name]!()
  let status: string
  try {
    const response = await fetch(url)
    if (response.ok) return new Uint8Array(await response.arrayBuffer())
    status = `HTTP status ${response.status}`
  } catch (cause) {
    status = String(cause)
  }
  const message = `${url.href} cannot be had (${status}); serve the package's folder dist/ with all that is in it.`
  throw new SourceError('WASM_UNREACHABLE', message, url.href)
}

export async function unpack(_isa: Isa, _shared: boolean): Promise<undefined> {}

export function spawn(kind: WorkerKind, onDeath: (reason: unknown) => void, folder?: string | URL): WorkerHandle {
  const name = `cria ${kind}`
  if (folder !== undefined) return handleOf(start(new URL(`${kind}.js`, folderUrl(folder)), name), onDeath)
  const own = isOwn(new URL(import.meta.url))
  return handleOf(own ? START[kind]() : start(new URL(`../web/${kind}.js`, import.meta.url), name), onDeath)
}
