/** Browsers, with the workers and the wasm within the code: nothing but the code itself is loaded. */
import * as inlined from 'inlined'
import { compileBuild, type Isa } from '../wasm-build.ts'
import type { WorkerHandle, WorkerKind } from './types.ts'
import { canSpawn, folderUrl, handleOf, start } from './web-common.ts'

export { breathe, canShare, canSpawn, cores, openFile, parent, runtime } from './web-common.ts'

/** Of the workers' script, which their names tell what they are. */
let script: string | undefined

export async function unpack(isa: Isa, shared: boolean): Promise<WebAssembly.Module> {
  if (canSpawn() && script === undefined) {
    const text = await inflate(inlined.worker)
    script ??= URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
  }
  return compileBuild(await wasm(isa), shared)
}

export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const { pieces, sizes } = inlined
  const all = await inflate(inlined.wasm)
  const bytes = new Uint8Array(sizes[name]!)
  let offset = 0
  for (let i = 0; i < pieces; i++) {
    for (const [other, size] of Object.entries(sizes)) {
      const from = Math.floor((size * i) / pieces)
      const length = Math.floor((size * (i + 1)) / pieces) - from
      if (other === name) bytes.set(all.subarray(offset, offset + length), from)
      offset += length
    }
  }
  return bytes
}

export function spawn(kind: WorkerKind, onDeath: (reason: unknown) => void, folder?: string | URL): WorkerHandle {
  const name = `cria ${kind}`
  const given = folder !== undefined && start(new URL(`${kind}.js`, folderUrl(folder)), name)
  return handleOf(given || new Worker(script!, { type: 'module', name }), onDeath)
}

/** Base64 of a zlib stream → bytes. */
async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
