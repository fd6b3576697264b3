/** Browsers, with the workers and the wasm within the code: nothing but the code itself is loaded. */
import * as inlined from 'inlined'
import { unpackLzma } from './lzma.ts'
import type { WasmFiles, WorkerHandle, WorkerKind } from './types.ts'
import { breathe, canSpawn } from './web-common.ts'
import { folderUrl, spawnBy, start } from './web-spawn.ts'

export { breathe, canShare, canSpawn, cores, locate, openFile, parent, runtime } from './web-common.ts'

/** URL of the script of all workers, which start what their names say. */
let script: string | undefined

export async function unpack(names: readonly string[]): Promise<WasmFiles> {
  if (canSpawn() && script === undefined) {
    const text = await unpackText(inlined.worker)
    script ??= URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
  }
  const all = await unpackText(inlined.wasm)
  return Object.fromEntries(names.map((name) => [name, cut(all, name)]))
}

/** What a trial needs is given to it. */
export function hasBuilds(): boolean {
  return false
}

export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return cut(await unpackText(inlined.wasm), name)
}

function cut(all: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
  let start = 0
  for (const [other, size] of Object.entries(inlined.sizes)) {
    if (other === name) return all.slice(start, start + size)
    start += size
  }
  throw new RangeError(`no ${name}.wasm`)
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

function unpackText(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  return unpackLzma(
    Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)),
    breathe,
  )
}
