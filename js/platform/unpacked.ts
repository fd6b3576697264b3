/** The workers and the wasm that lie packed within the code. */
import * as inlined from 'inlined'
import { unpackLzma } from './lzma.ts'
import type { Platform, WasmFiles } from './types.ts'

/** The script of all workers, classic, for pages and for Node alike: the global `name` says which of them it is. */
export async function unpackScript(breathe: Platform['breathe']): Promise<string> {
  return new TextDecoder().decode(await unpack(inlined.worker, breathe))
}

/** The wasm files of these names. */
export async function unpackWasm(names: readonly string[], breathe: Platform['breathe']): Promise<WasmFiles> {
  const all = await unpack(inlined.wasm, breathe)
  const files: [string, Uint8Array<ArrayBuffer>][] = []
  let start = 0
  for (const [name, size] of Object.entries(inlined.sizes)) {
    if (names.includes(name)) files.push([name, all.slice(start, start + size)])
    start += size
  }
  return Object.fromEntries(files)
}

function unpack(base64: string, breathe: Platform['breathe']): Promise<Uint8Array<ArrayBuffer>> {
  return unpackLzma(
    Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)),
    breathe,
  )
}
