/** Browsers, with the workers and the wasm as files in the package's folder. */
import type { WasmFiles, WorkerHandle, WorkerKind } from './types.ts'
import { folderUrl, isOwn, spawnBy, start } from './web-spawn.ts'

export { breathe, canShare, canSpawn, cores, hasBuilds, locate, openFile, parent, runtime, wasm } from './web-worker.ts'

// Addresses relative to the code in dist/chunks/, as in web-worker.ts.
const START: Readonly<Record<WorkerKind, () => Worker>> = {
  leader: () => new Worker(new URL('../web/leader.js', import.meta.url), { type: 'module', name: 'cria leader' }),
  grammars: () => new Worker(new URL('../web/grammars.js', import.meta.url), { type: 'module', name: 'cria grammars' }),
  thread: () => new Worker(new URL('../web/thread.js', import.meta.url), { type: 'module', name: 'cria thread' }),
  quantize: () => new Worker(new URL('../web/quantize.js', import.meta.url), { type: 'module', name: 'cria quantize' }),
}

export async function store(): Promise<undefined> {}

export async function unpack(_names: readonly string[]): Promise<WasmFiles | undefined> {
  return undefined
}

export function spawn(
  kind: WorkerKind,
  onDeath: (reason: unknown) => void,
  folder?: string | URL,
): Promise<WorkerHandle> {
  const name = `cria ${kind}`
  const begin = (): Worker => {
    if (folder !== undefined) return start(new URL(`${kind}.js`, folderUrl(folder)), name)
    // Not written where it is used: bundlers would take the address of any worker for all files of that folder.
    const here = new URL(import.meta.url)
    // In webpack's bundles it is the place of this file on the disk of whoever bundled.
    const own = here.protocol === 'file:' || isOwn(here)
    return own ? START[kind]() : start(new URL(`../web/${kind}.js`, here), name)
  }
  return spawnBy(begin, onDeath)
}
