/** Loads the builds of the kernels side by side, each on a memory of its own, with a bump arena. */
import { readFileSync } from 'node:fs'
import {
  TENSOR_BYTES,
  TENSOR_COLUMNS,
  TENSOR_DATA,
  TENSOR_GROUP_BYTES,
  TENSOR_PANEL_BYTES,
  TENSOR_PANEL_COLUMNS,
  TENSOR_ROWS,
  TENSOR_TYPE,
  TYPE_F32,
} from '../assembly/layout.ts'
import { type Packing, packingOf } from '../js/models/tensors.ts'
import { WEIGHT_TYPES, type WeightType } from '../js/models/weight-types.ts'

export interface Kernels {
  repack(tensor: number, src: number, rowBytes: number, firstRow: number, rows: number): number
  row(tensor: number, index: number, dst: number): void
  arrange(type: number, x: number, columns: number, n: number, dst: number): void
  arrangedBytes(columns: number, n: number): number
  matvec(type: number, group: number, columns: number, acts: number, out: number): void
  matmul(type: number, group: number, columns: number, acts: number, n: number, scratch: number, out: number): void
  rmsnorm(x: number, w: number, n: number, eps: number, y: number): void
  layernorm(x: number, w: number, b: number, n: number, eps: number, y: number): void
  expf(x: number, n: number, y: number): void
  activation(kind: number, gates: number, ups: number, n: number): void
  softcap(x: number, n: number, cap: number): void
}

const PAGES = 256

export class Build {
  readonly kernels: Kernels
  readonly memory = new WebAssembly.Memory({ initial: PAGES })
  private top = 1024

  constructor(readonly name: string) {
    const module = new WebAssembly.Module(readFileSync(`build/wasm/${name}.wasm`))
    this.kernels = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports as unknown as Kernels
  }

  /** Forgets all that was allocated. */
  reset(): void {
    this.top = 1024
  }

  alloc(bytes: number): number {
    const at = this.top
    this.top = (this.top + bytes + 63) & ~63
    if (this.top > PAGES * 65536) throw new Error(`the harness has no room for ${bytes} bytes`)
    // What a kernel fails to write must not look right by accident.
    new Uint8Array(this.memory.buffer, at, bytes).fill(0xa5)
    return at
  }

  put(data: Uint8Array | Float32Array | Uint32Array): number {
    const at = this.alloc(data.byteLength)
    new Uint8Array(this.memory.buffer, at, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    )
    return at
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length).slice()
  }

  floats(at: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, length).slice()
  }
}

/** A relaxed-SIMD instruction (i16x8.relaxed_dot_i8x16_i7x16_s) in a module of its own: does this engine take it? */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(readFileSync('build/wasm/relaxed.wasm'))
}

export interface TypeFormat extends WeightType {
  name: string
}

export const FORMATS: TypeFormat[] = [...WEIGHT_TYPES].map(([name, type]) => ({ name, ...type }))

/** Deterministic: mulberry32. */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** File bytes of `rows` rows: random, or every byte of the values `fill`. Scales are finite halves of all sizes. */
export function fileRows(format: TypeFormat, rows: number, columns: number, seed: number, fill?: number): Uint8Array {
  const next = random(seed)
  const blocks = (rows * columns) / format.columns
  const bytes = new Uint8Array(blocks * format.fileBytes)
  if (format.id === TYPE_F32) {
    const values = new Float32Array(bytes.buffer)
    for (let i = 0; i < values.length; i++) values[i] = fill === undefined ? (next() - 0.5) * 4 : fill - 128
    return bytes
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = fill ?? Math.floor(next() * 256)
  const view = new DataView(bytes.buffer)
  for (let b = 0; b < blocks; b++) {
    for (const [at] of format.scales) {
      // Exponents 0 (subnormal) … 20: a wide range inside one group.
      const half = (next() < 0.5 ? 0x8000 : 0) | (Math.floor(next() * 21) << 10) | Math.floor(next() * 1024)
      view.setUint16(b * format.fileBytes + at, half, true)
    }
  }
  return bytes
}

export interface Packed extends Packing {
  at: number
  groups: number
}

/** In one panel, if not told otherwise. */
export function repack(
  build: Build,
  format: TypeFormat,
  file: Uint8Array,
  rows: number,
  columns: number,
  packing = packingOf(format, columns, columns),
): Packed {
  const groups = Math.ceil(rows / 8)
  const src = build.put(file)
  const at = build.alloc(groups * packing.groupBytes)
  const status = repackAt(build, format, src, rows, at, packing)
  if (status !== 0) throw new Error(`repack of ${format.name}: ${status}`)
  return { at, groups, ...packing }
}

/** The status of repacking a whole matrix. */
export function repackAt(
  build: Build,
  format: TypeFormat,
  src: number,
  rows: number,
  at: number,
  packing: Packing,
): number {
  const rowBytes = (packing.columns / format.columns) * format.fileBytes
  return build.kernels.repack(
    putTensor(build, format, rows, { ...packing, at, groups: Math.ceil(rows / 8) }),
    src,
    rowBytes,
    0,
    rows,
  )
}

/** A TENSOR of what was packed; its address. */
export function putTensor(build: Build, format: TypeFormat, rows: number, packed: Packed): number {
  const tensor = new Uint32Array(TENSOR_BYTES / 4)
  tensor[TENSOR_TYPE / 4] = format.id
  tensor[TENSOR_ROWS / 4] = rows
  tensor[TENSOR_COLUMNS / 4] = packed.columns
  tensor[TENSOR_DATA / 4] = packed.at
  tensor[TENSOR_GROUP_BYTES / 4] = packed.groupBytes
  tensor[TENSOR_PANEL_COLUMNS / 4] = packed.panelColumns
  tensor[TENSOR_PANEL_BYTES / 4] = packed.panelBytes
  return build.put(tensor)
}
