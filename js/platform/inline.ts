/** Browsers, with the workers and the wasm within the code: nothing but the code itself is loaded. */
import type { WasmFiles, WorkerHandle, WorkerKind } from './types.ts'
import { unpackScript, unpackWasm } from './unpacked.ts'
import { breathe, canSpawn } from './web-common.ts'
import { folderUrl, spawnBy, start } from './web-spawn.ts'

export { breathe, canShare, canSpawn, cores, locate, openFile, parent, runtime } from './web-common.ts'

/** URL of the script of all workers, which start what their names say. */
let script: string | undefined

/** Nothing can be imported here that keeps them. */
export async function store(): Promise<undefined> {}

export async function unpack(names: readonly string[]): Promise<WasmFiles> {
  if (canSpawn() && script === undefined) {
    const text = await unpackScript(breathe)
    script ??= URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
  }
  return unpackWasm(names, breathe)
}

/** What a trial needs is given to it. */
export function hasBuilds(): boolean {
  return false
}

export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return (await unpack([name]))[name]!
}

export function spawn(
  kind: WorkerKind,
  onDeath: (reason: unknown) => void,
  folder?: string | URL,
): Promise<WorkerHandle> {
  const name = `cria ${kind}`
  // A classic script: Chromium starts no module where the origin is opaque.
  const begin = (): Worker =>
    folder === undefined ? new Worker(script!, { name }) : start(new URL(`${kind}.js`, folderUrl(folder)), name)
  return spawnBy(begin, onDeath)
}
