/** The quantize wasm on a memory of its own: rows of one type become rows of another. */
import { instantiate } from '../engine/wasm.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'

/** The exports of assembly/quantize/index.ts. Pointers are byte addresses. */
interface QuantizeExports {
  scratchBytes(): number
  dequantize(type: number, src: number, columns: number, x: number, scratch: number): number
  firstNotFinite(x: number, columns: number): number
  quantize(type: number, x: number, columns: number, importance: number, dst: number, scratch: number): number
}

/** Types that can be read and written: those that assembly/quantize has. */
const TYPES = 'F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS'.split(' ')

/** Whole rows to be converted. */
export interface RowsJob {
  /** ggml's names; where they are the same the bytes are only checked. */
  from: string
  to: string
  rows: number
  columns: number
  bytes: Uint8Array
  /** f32[columns]: what an error in each column weighs. */
  importance?: Float32Array
}

/** The bytes; or the first place where the source is not finite, or would not be as the other type. */
export type RowsResult =
  | { bytes: Uint8Array; problem?: undefined; row?: undefined; column?: undefined }
  | { bytes?: undefined; problem: 'source' | 'target'; row: number; column: number }

const PAGE = 65536
/** Addresses begin here: 0 stands for no importance. */
const START = 64

export class RowQuantizer {
  static readonly types: readonly string[] = TYPES

  private constructor(
    private readonly exports: QuantizeExports,
    private readonly memory: WebAssembly.Memory,
  ) {}

  static async open(module: WebAssembly.Module): Promise<RowQuantizer> {
    const memory = new WebAssembly.Memory({ initial: 1 })
    return new RowQuantizer(instantiate(module, memory), memory)
  }

  convert({ from, to, rows, columns, bytes, importance }: RowsJob): RowsResult {
    const { exports } = this
    const fromBytes = bytes.length / rows
    const source = GGML_TYPES.get(from)!.id
    const { id: target, blockColumns, blockBytes } = GGML_TYPES.get(to)!
    const toBytes = (columns / blockColumns) * blockBytes
    const scratch = START
    const x = alignUp(scratch + exports.scratchBytes())
    const weights = x + 4 * columns
    const src = weights + 4 * columns
    const dst = alignUp(src + bytes.length)
    this.reserve(dst + rows * toBytes)
    new Uint8Array(this.memory.buffer, src).set(bytes)
    if (importance) new Float32Array(this.memory.buffer, weights).set(importance)
    for (let row = 0; row < rows; row++) {
      exports.dequantize(source, src + row * fromBytes, columns, x, scratch)
      const column = exports.firstNotFinite(x, columns)
      if (column >= 0) return { problem: 'source', row, column }
      if (from === to) continue
      const at = dst + row * toBytes
      exports.quantize(target, x, columns, importance ? weights : 0, at, scratch)
      // What has become too large for a half shows as a value that is not finite.
      exports.dequantize(target, at, columns, x, scratch)
      const overflow = exports.firstNotFinite(x, columns)
      if (overflow >= 0) return { problem: 'target', row, column: overflow }
    }
    return { bytes: from === to ? bytes : new Uint8Array(this.memory.buffer, dst, rows * toBytes).slice() }
  }

  private reserve(bytes: number): void {
    const pages = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE)
    if (pages > 0) this.memory.grow(pages)
  }
}

function alignUp(address: number): number {
  return Math.ceil(address / 16) * 16
}
