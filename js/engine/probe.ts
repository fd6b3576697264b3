/**
 * Which kernels to use where the relaxed build has two for a type: the alternate must give the same bits on extreme
 * inputs, in the engine's first tier and after it has tiered up, and be faster. So the choice can never change a result.
 */
import * as L from '../../assembly/layout.ts'
import { packingOf } from '../models/tensors.ts'
import { WEIGHT_TYPES, type WeightType } from '../models/weight-types.ts'
import { openKernels, type ProbeExports } from './wasm.ts'

/** Columns of the rows that are tried: whole blocks of every type. */
const COLUMNS = 256
/** By ggml_type id: the types that have an alternate kernel. */
const PROBED: ReadonlyMap<number, WeightType> = new Map(
  [...WEIGHT_TYPES.values()].filter(({ alternate }) => alternate).map((type) => [type.id, type]),
)

const TOKENS = 4
/** Calls after which V8 has surely compiled a kernel with its optimizing tier, and milliseconds to allow it. */
const WARM_CALLS = 1500
const WARM_MS = 20
const TIMED_CALLS = 200
const TIMED_ROUNDS = 5
const TIMED_MS = 25

// Addresses in the probe's own memory: room for as many tokens as any trial takes.
const TENSOR = 512
const FILE = 1024
const PACKED = 4096
const X = 8192
const ACTS = 65536
const SCRATCH = 131072
const OUT = 196608
const MEMORY_PAGES = 4

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
  const probed = Array.from(types).flatMap((id) => PROBED.get(id) ?? [])
  // Each memory takes gigabytes of a browser's address space until it is collected: none without need.
  if (probed.length === 0) return chosen
  const probe = openProbe(module, shared)
  for (const type of probed) {
    const { id } = type
    if (!probe.exact(id, type)) continue
    probe.warm(id)
    if (probe.exact(id, type) && (!timed || probe.faster(id))) chosen.push(id)
  }
  return chosen
}

export function openProbe(module: WebAssembly.Module, shared: boolean): Probe {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared })
  return new Probe(openKernels(module, memory), memory)
}

/** 8 rows of weights and a few tokens, to call single kernels on. */
export class Probe {
  constructor(
    private readonly kernels: ProbeExports,
    private readonly memory: WebAssembly.Memory,
  ) {}

  exact(id: number, type: WeightType): boolean {
    for (const fill of FILLS) {
      this.putWeights(id, type, fill)
      for (const pattern of PATTERNS) {
        for (const n of [1, TOKENS]) {
          this.putActivations(id, pattern, n)
          const want = this.run(id, n).slice()
          if (this.run(id | L.ALTERNATE, n).some((word, i) => word !== want[i])) return false
        }
      }
    }
    return true
  }

  /** Calls both kernels until the engine has optimized them. */
  warm(id: number): void {
    const start = performance.now()
    for (let i = 0; i < WARM_CALLS && performance.now() - start < WARM_MS; i++) {
      for (const n of [1, TOKENS]) {
        this.run(id, n)
        this.run(id | L.ALTERNATE, n)
      }
    }
  }

  /** The least times of a while tell: an engine may optimize one kernel long before the other. */
  faster(id: number): boolean {
    let [least, alternate] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    const start = performance.now()
    for (let round = 0; round < TIMED_ROUNDS || performance.now() - start < TIMED_MS; round++) {
      least = Math.min(least, this.time(id))
      alternate = Math.min(alternate, this.time(id | L.ALTERNATE))
    }
    return alternate < least
  }

  private time(id: number): number {
    const start = performance.now()
    for (let i = 0; i < TIMED_CALLS; i++) this.call(id, TOKENS)
    return performance.now() - start
  }

  /** Weights and activations for `call`, of mixed values. */
  put(id: number, type: WeightType, n: number): void {
    this.putWeights(id, type, undefined)
    this.putActivations(id, PATTERNS.at(-1)!, n)
  }

  /** 8 rows of mixed or equal bytes, with scales that are finite. */
  private putWeights(id: number, type: WeightType, fill: number | undefined): void {
    const blocks = COLUMNS / type.columns
    const rowBytes = blocks * type.fileBytes
    const bytes = new Uint8Array(this.memory.buffer, FILE, 8 * rowBytes)
    for (let i = 0; i < bytes.length; i++) bytes[i] = fill ?? (i * 89 + 7) % 256
    const view = new DataView(this.memory.buffer, FILE)
    for (let block = 0; block < bytes.length; block += type.fileBytes) {
      for (const [at] of type.scales) view.setUint16(block + at, 0x3c01 + (block % 512), true)
    }
    const { groupBytes, panelColumns, panelBytes } = packingOf(type, COLUMNS)
    const tensor = new Uint32Array(this.memory.buffer, TENSOR, L.TENSOR_BYTES / 4)
    tensor.set([id, 8, COLUMNS, PACKED, 0, groupBytes, panelColumns, panelBytes])
    this.kernels.repack(TENSOR, FILE, rowBytes, 0, 8)
  }

  private putActivations(id: number, pattern: (i: number) => number, n: number): void {
    const x = new Float32Array(this.memory.buffer, X, n * COLUMNS)
    for (let i = 0; i < x.length; i++) x[i] = pattern(i)
    this.kernels.arrange(id, X, COLUMNS, n, ACTS)
  }

  private run(id: number, n: number): Int32Array {
    this.call(id, n)
    return new Int32Array(this.memory.buffer, OUT, n * 8)
  }

  /** The kernel for one token, or that for several. */
  call(id: number, n: number): void {
    if (n === 1) this.kernels.matvec(id, PACKED, COLUMNS, ACTS, OUT)
    else this.kernels.matmul(id, PACKED, COLUMNS, ACTS, n, SCRATCH, OUT)
  }
}
