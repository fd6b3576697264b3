/** The platform of the built package: each entry provides its own, so that all entries share the code of the rest. */

import type { OpenFile } from '../source/types.ts'
import type { StorePlace } from './store-types.ts'
import type { ParentPort, Platform, RuntimeName, WasmFiles, WorkerHandle, WorkerKind } from './types.ts'

let platform: Platform

export function provide(provided: Platform): void {
  platform = provided
}

export const runtime = (): RuntimeName => platform.runtime()
export const openFile: OpenFile = (path) => platform.openFile(path)
export const locate = (path: string): string => platform.locate(path)
export const cores = (): number => platform.cores()
export const canShare = (): boolean => platform.canShare()
export const canSpawn = (): boolean => platform.canSpawn()
export const wasm = (name: string): Promise<Uint8Array<ArrayBuffer>> => platform.wasm(name)
export const hasBuilds = (): boolean => platform.hasBuilds()
export const unpack = (names: readonly string[]): Promise<WasmFiles | undefined> => platform.unpack(names)
export const spawn = (
  kind: WorkerKind,
  onDeath: (reason: unknown) => void,
  folder: string | URL | undefined,
): WorkerHandle | Promise<WorkerHandle> => platform.spawn(kind, onDeath, folder)
export const parent = (): ParentPort => platform.parent()
export const store = (): Promise<StorePlace | undefined> => platform.store()
export const breathe = (): Promise<void> => platform.breathe()
