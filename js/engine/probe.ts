/**
 * Which kernels to use where the relaxed build has two for a type: the alternate must give the same bits on extreme
 * inputs, in the engine's first tier and after it has tiered up, and be faster. So the choice can never change a result.
 */
import { ALTERNATE } from '../../assembly/layout.ts'
import { openKernels, type ProbeExports } from './wasm.ts'

interface ProbeType {
  columns: number
  /** Bytes of 256 columns of one row in the file, of 8 packed rows, and before them. */
  fileBytes: number
  packedBytes: number
  headerBytes: number
  /** Offsets of f16 scales in a block, and the block's bytes. */
  scales: number[]
  blockBytes: number
}

/** By ggml_type id: the types that have an alternate kernel. */
const PROBED: ReadonlyMap<number, ProbeType> = new Map([
  [2, { columns: 256, fileBytes: 144, packedBytes: 1152, headerBytes: 16, scales: [0], blockBytes: 18 }],
  [3, { columns: 256, fileBytes: 160, packedBytes: 1280, headerBytes: 16, scales: [0, 2], blockBytes: 20 }],
  [8, { columns: 256, fileBytes: 272, packedBytes: 2176, headerBytes: 16, scales: [0], blockBytes: 34 }],
  [14, { columns: 256, fileBytes: 210, packedBytes: 1696, headerBytes: 0, scales: [208], blockBytes: 210 }],
])

const TOKENS = 4
/** Calls after which V8 has surely compiled a kernel with its optimizing tier, and milliseconds to allow it. */
const WARM_CALLS = 1500
const WARM_MS = 20
const TIMED_CALLS = 200
const TIMED_ROUNDS = 5

// Addresses in the probe's own memory of two pages.
const FILE = 1024
const PACKED = 4096
const X = 8192
const ACTS = 16384
const SCRATCH = 32768
const OUT = 65536
const MEMORY_PAGES = 2

/** f32 activations that make extreme int8 ones: all 127, all −127, alternating, and mixed. */
const PATTERNS: ((i: number) => number)[] = [
  () => 127,
  () => -127,
  (i) => (i % 2 ? -127 : 127),
  (i) => ((i * 37) % 255) - 127,
]
/** Bytes of weights: all of one value, or mixed. */
const FILLS = [0xff, 0x80, 0x7f, 0x00, undefined]

/**
 * The types whose alternate kernel is exact in this worker and, where `timed`, faster than the other.
 * @param types ggml_type ids of the model's matrices
 */
export function chooseAlternates(
  module: WebAssembly.Module,
  shared: boolean,
  types: Iterable<number>,
  timed: boolean,
): number[] {
  const chosen: number[] = []
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared })
  const probe = new Probe(openKernels(module, memory), memory)
  for (const id of types) {
    const type = PROBED.get(id)
    if (!type || !probe.exact(id, type)) continue
    probe.warm(id, type)
    if (probe.exact(id, type) && (!timed || probe.faster(id, type))) chosen.push(id)
  }
  return chosen
}

class Probe {
  constructor(
    private readonly kernels: ProbeExports,
    private readonly memory: WebAssembly.Memory,
  ) {}

  exact(id: number, type: ProbeType): boolean {
    for (const fill of FILLS) {
      this.putWeights(id, type, fill)
      for (const pattern of PATTERNS) {
        for (const n of [1, TOKENS]) {
          this.putActivations(id, type, pattern, n)
          const want = this.run(id, type, n).slice()
          if (this.run(id | ALTERNATE, type, n).some((word, i) => word !== want[i])) return false
        }
      }
    }
    return true
  }

  /** Calls both kernels until the engine has optimized them. */
  warm(id: number, type: ProbeType): void {
    const start = performance.now()
    for (let i = 0; i < WARM_CALLS && performance.now() - start < WARM_MS; i++) {
      for (const n of [1, TOKENS]) {
        this.run(id, type, n)
        this.run(id | ALTERNATE, type, n)
      }
    }
  }

  faster(id: number, type: ProbeType): boolean {
    let wins = 0
    for (let round = 0; round < TIMED_ROUNDS; round++) {
      if (this.time(id | ALTERNATE, type) < this.time(id, type)) wins++
    }
    return wins > TIMED_ROUNDS / 2
  }

  private time(id: number, type: ProbeType): number {
    const start = performance.now()
    for (let i = 0; i < TIMED_CALLS; i++) this.call(id, type, TOKENS)
    return performance.now() - start
  }

  /** 8 rows of mixed or equal bytes, with scales that are finite. */
  private putWeights(id: number, type: ProbeType, fill: number | undefined): void {
    const bytes = new Uint8Array(this.memory.buffer, FILE, 8 * type.fileBytes)
    for (let i = 0; i < bytes.length; i++) bytes[i] = fill ?? (i * 89 + 7) % 256
    const view = new DataView(this.memory.buffer, FILE)
    for (let block = 0; block < bytes.length; block += type.blockBytes) {
      for (const scale of type.scales) view.setUint16(block + scale, 0x3c01 + (block % 512), true)
    }
    const groupBytes = type.headerBytes + type.packedBytes
    this.kernels.repack(id, FILE, 8, type.columns, type.fileBytes, PACKED, groupBytes)
  }

  private putActivations(id: number, type: ProbeType, pattern: (i: number) => number, n: number): void {
    const x = new Float32Array(this.memory.buffer, X, n * type.columns)
    for (let i = 0; i < x.length; i++) x[i] = pattern(i)
    this.kernels.arrange(id, X, type.columns, n, ACTS)
  }

  private run(id: number, type: ProbeType, n: number): Int32Array {
    this.call(id, type, n)
    return new Int32Array(this.memory.buffer, OUT, n * 8)
  }

  private call(id: number, type: ProbeType, n: number): void {
    if (n === 1) this.kernels.matvec(id, PACKED, type.columns, ACTS, OUT)
    else this.kernels.matmul(id, PACKED, type.columns, ACTS, n, SCRATCH, OUT)
  }
}
