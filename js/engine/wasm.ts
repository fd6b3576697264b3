/** The wasm side of a segment: its module's functions on its memory. */
import { instantiateSync } from '@assemblyscript/loader'

/** The exports of assembly/index.ts that the engine calls. Pointers are byte addresses. */
export interface Exports {
  repack(tensor: number, src: number, rowBytes: number, firstRow: number, rows: number): number
  forward(model: number, thread: number, threads: number): number
  output(model: number, thread: number, threads: number): number
  embed(model: number, row: number, x: number): void
  attnNorm(model: number, row: number, y: number): void
  outputNorm(model: number, row: number, y: number): void
  shift(model: number, page: number, distance: number): void
  barrier(control: number, threads: number): number
  command(control: number, what: number): void
  park(control: number, ticket: number): number
}

/** A segment as one worker holds it. */
export interface Segment {
  memory: WebAssembly.Memory
  exports: Exports
  /** Addresses of the model and control structs, and of the hidden state with the bytes of one row of it. */
  model: number
  control: number
  x: number
  rowBytes: number
  /** Types that are multiplied with their alternate kernels, if every thread finds them exact. */
  alternates: readonly number[]
}

/** What a worker needs to hold a segment: can be posted. */
export type SegmentHandle = Omit<Segment, 'exports'>

export function openSegment(module: WebAssembly.Module, handle: SegmentHandle): Segment {
  return { ...handle, exports: instantiate(module, handle.memory) }
}

/** The single kernels that a probe tries out. */
export interface ProbeExports extends Pick<Exports, 'repack'> {
  arrange(type: number, x: number, columns: number, n: number, dst: number): void
  matvec(type: number, group: number, columns: number, acts: number, out: number): void
  matmul(type: number, group: number, columns: number, acts: number, n: number, scratch: number, out: number): void
}

export function openKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): ProbeExports {
  return instantiate(module, memory)
}

/**
 * A module's exports on a memory, the only import of each. The instance's own functions: the loader's `exports` wrap each in
 * another that spreads its arguments, which a call a token would feel.
 */
export function instantiate<T>(module: WebAssembly.Module, memory: WebAssembly.Memory): T {
  return instantiateSync(module, { env: { memory } }).instance.exports as T
}
