/** Edge functions (workerd) and service workers: no files, no workers, nothing to compile from bytes; one thread. */

import { ArgumentError, UnsupportedError } from '../errors.ts'
import type { ParentPort, RuntimeName, WasmFiles, WorkerHandle } from './types.ts'
import { webRuntime } from './web-runtime.ts'

export { locate, openFile } from './files-web.ts'

export function runtime(): RuntimeName {
  return webRuntime()
}

export function cores(): number {
  return 1
}

export function canShare(): boolean {
  return false
}

export function canSpawn(): boolean {
  return false
}

/** @throws ArgumentError, always: the caller has the module. */
export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const message =
    `There is no place to take ${name}.wasm from here: import it (import wasm from 'cria/${name}.wasm') or compile it, ` +
    'and pass the module: load(model, { wasm }).'
  throw new ArgumentError('WASM_NEEDED', message, name)
}

export function hasBuilds(): boolean {
  return false
}

/** Nothing can be imported here that keeps them. */
export async function store(): Promise<undefined> {}

export async function unpack(_names: readonly string[]): Promise<WasmFiles | undefined> {
  return undefined
}

export function spawn(): WorkerHandle {
  throw noWorkers()
}

export function parent(): ParentPort {
  throw noWorkers()
}

function noWorkers(): UnsupportedError {
  return new UnsupportedError('NO_WORKERS', 'There are no workers here; load the model with inProcess: true.')
}

export function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}
