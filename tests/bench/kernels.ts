/**
 * Every kernel alone, on one thread, with weights that lie in memory rather than the caches, beside what the machine
 * gives at most in the same run. Medians.
 *
 *     node --import tsx tests/bench/kernels.ts [--isa simd,relaxed] [--types q4_0,…] [--matrices 2048x5632,…]
 *         [--tokens 2,8,64] [--runs 7] [--ms 20]
 *
 * GB/s counts the packed weights that are read, GMAC/s the multiplications of the matrix. Code is V8's optimized one from
 * the start: when it would take over from the baseline is chance here.
 */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import * as L from '../../assembly/layout.ts'
import { Weights } from '../../js/bench/weights.ts'
import { packingOf } from '../../js/models/tensors.ts'
import { FORMATS, hasRelaxedSimd, type Kernels, random, type TypeFormat } from '../kernel-harness.ts'
import { CHAINS, instantiateLimits, type Limits, MACS } from './limits.ts'

/** down matrices of SmolLM-135M, TinyLlama-1.1B and Llama-2-7B: rows × columns. */
const MATRICES = '576x1536,2048x5632,4096x11008'
const MEBIBYTE = 1024 * 1024
/** Weights are repeated until they fill this much, and read round and round. */
const SET_BYTES = 64 * MEBIBYTE
/** Addresses: activations, results and scratch below, then weights, in which the read rate is measured too. */
const WEIGHTS_AT = 32 * MEBIBYTE
const WEIGHTS_BYTES = 256 * MEBIBYTE

setFlagsFromString('--no-liftoff')

const { values } = parseArgs({
  options: {
    isa: { type: 'string', default: 'simd,relaxed' },
    types: { type: 'string', default: FORMATS.map(({ name }) => name.toLowerCase()).join(',') },
    matrices: { type: 'string', default: MATRICES },
    tokens: { type: 'string', default: '2,4,8,16,64' },
    runs: { type: 'string', default: '7' },
    ms: { type: 'string', default: '20' },
  },
})
const tokens = values.tokens.split(',').map(Number)
const runs = Number(values.runs)
const milliseconds = Number(values.ms)
const formats = values.types.split(',').map((name) => {
  const format = FORMATS.find((format) => format.name === name.toUpperCase())
  if (!format) throw new Error(`There is no kernel for ${name}.`)
  return format
})

/** A build of the kernels and its limits, on one memory. */
class Bed {
  private top = 1024
  private constructor(
    readonly memory: WebAssembly.Memory,
    readonly kernels: Kernels,
    readonly limits: Limits,
  ) {}

  static async make(isa: string): Promise<Bed> {
    const memory = new WebAssembly.Memory({ initial: (WEIGHTS_AT + WEIGHTS_BYTES) / 65536 })
    const module = new WebAssembly.Module(readFileSync(`build/wasm/${isa}.wasm`))
    const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels
    return new Bed(memory, kernels, await instantiateLimits(isa === 'relaxed', memory, kernels))
  }

  alloc(bytes: number): number {
    const at = this.top
    this.top = Math.ceil((at + bytes) / 64) * 64
    if (this.top > WEIGHTS_AT) throw new Error(`There is no room for ${bytes} bytes beside the weights.`)
    return at
  }

  reset(): void {
    this.top = 1024
  }
}

/** Groups of 8 rows, one behind the other. */
interface PackedSet {
  groupBytes: number
  groups: number
}

/** Packs a matrix of random weights, and copies it until there is enough of it. */
function pack({ memory, kernels }: Bed, format: TypeFormat, rows: number, columns: number): PackedSet {
  const { groupBytes } = packingOf(format, columns, columns)
  const rowBytes = (columns / format.columns) * format.fileBytes
  const bytes = new Uint8Array(memory.buffer)
  const weights = new Weights(format.name, columns)
  const matrixBytes = Math.ceil(rows / 8) * groupBytes
  // Groups pass through the space below the weights, which is still free.
  for (let row = 0; row < rows; row += 8) {
    const count = Math.min(8, rows - row)
    weights.read(bytes.subarray(1024, 1024 + count * rowBytes), row * rowBytes, 0)
    const at = WEIGHTS_AT + (row / 8) * groupBytes
    new Uint32Array(memory.buffer, 64, L.TENSOR_BYTES / 4).set([
      format.id,
      count,
      columns,
      at,
      0,
      groupBytes,
      columns,
      groupBytes,
    ])
    const status = kernels.repack(64, 1024, rowBytes, 0, count)
    if (status !== 0) throw new Error(`repack of ${format.name}: ${status}`)
  }
  const copies = Math.min(Math.ceil(SET_BYTES / matrixBytes), Math.floor(WEIGHTS_BYTES / matrixBytes))
  if (copies < 1) throw new Error(`${rows}x${columns} ${format.name} takes more than ${WEIGHTS_BYTES} bytes.`)
  for (let copy = 1; copy < copies; copy++) {
    bytes.copyWithin(WEIGHTS_AT + copy * matrixBytes, WEIGHTS_AT, WEIGHTS_AT + matrixBytes)
  }
  return { groupBytes, groups: (copies * matrixBytes) / groupBytes }
}

/** Median milliseconds of one unit, where `run(n)` does n units; about `milliseconds` a sample, after a warm-up. */
function time(run: (units: number) => void): number {
  const clock = (units: number): number => {
    const start = performance.now()
    run(units)
    return performance.now() - start
  }
  let units = 1
  for (let spent = 0; spent < 3 * milliseconds; ) {
    const took = clock(units)
    spent += took
    const aim = took > 0 ? Math.ceil((units * milliseconds) / took) : 8 * units
    units = Math.max(1, Math.min(aim, 8 * units))
  }
  const samples = Array.from({ length: runs }, () => clock(units) / units).sort((a, b) => a - b)
  return samples[Math.floor(runs / 2)]!
}

/** Calls `loop(address, count)` for n groups in turn, round the set. */
function walk(set: PackedSet, loop: (group: number, count: number) => void): (groups: number) => void {
  let next = 0
  return (groups) => {
    for (let left = groups; left > 0; ) {
      const count = Math.min(left, set.groups - next)
      loop(WEIGHTS_AT + next * set.groupBytes, count)
      next = (next + count) % set.groups
      left -= count
    }
  }
}

function arrangeTokens(bed: Bed, type: number, columns: number, n: number): number {
  const { kernels, memory } = bed
  const x = bed.alloc(n * columns * 4)
  const next = random(n)
  new Float32Array(memory.buffer, x, n * columns).forEach((_, i, floats) => {
    floats[i] = next() * 2 - 1
  })
  const acts = bed.alloc(kernels.arrangedBytes(columns, n))
  kernels.arrange(type, x, columns, n, acts)
  return acts
}

/** Milliseconds of one group, for one token and for each number of tokens. */
function timeKernel(bed: Bed, { id }: TypeFormat, columns: number, set: PackedSet): { one: number; many: number[] } {
  const { limits } = bed
  bed.reset()
  const acts = arrangeTokens(bed, id, columns, 1)
  const out = bed.alloc(64)
  const one = time(walk(set, (group, count) => limits.matvec(id, group, set.groupBytes, count, columns, acts, out)))
  const many = tokens.map((n) => {
    bed.reset()
    const acts = arrangeTokens(bed, id, columns, n)
    const out = bed.alloc((n + 8) * 32)
    const scratch = bed.alloc(columns * 64)
    return time(
      walk(set, (group, count) => limits.matmul(id, group, set.groupBytes, count, columns, acts, n, scratch, out)),
    )
  })
  return { one, many }
}

function printLimits({ memory, limits }: Bed): void {
  // Pages that were never written are all the same one.
  new Uint8Array(memory.buffer, WEIGHTS_AT).fill(1)
  const read = time((pieces) => {
    for (let i = 0; i < pieces; i++) limits.read(WEIGHTS_AT + (i % 256) * MEBIBYTE, MEBIBYTE)
  })
  console.log(`- reading memory: ${(MEBIBYTE / read / 1e6).toFixed(1)} GB/s`)
  const what = {
    f32: 'f32x4 mul, add',
    i16: 'i32x4.dot_i16x8_s, add',
    i8: 'i16x8.relaxed_dot_i8x16_i7x16_s, add',
    i8add: 'i32x4.relaxed_dot_i8x16_i7x16_add_s',
  }
  for (const name of ['f32', 'i16', 'i8', 'i8add'] as const) {
    const run = limits[name]
    if (!run) continue
    const thousand = time((thousands) => run(1000 * thousands))
    console.log(`- ${what[name]}: ${((1000 * CHAINS * MACS[name]) / thousand / 1e6).toFixed(1)} GMAC/s`)
  }
}

function printTable(bed: Bed, rows: number, columns: number): void {
  const titles = ['type', '1 token, GB/s', 'GMAC/s', ...tokens.map((n) => `${n} tokens, GMAC/s`)]
  console.log(`\n${rows}×${columns}\n\n| ${titles.join(' | ')} |\n|---|${titles.slice(1).fill('---:|').join('')}`)
  for (const format of formats) {
    if (columns % format.columns !== 0) continue
    const set = pack(bed, format, rows, columns)
    const { one, many } = timeKernel(bed, format, columns, set)
    const macs = 8 * columns
    const cells = [set.groupBytes / one, macs / one, ...many.map((each, i) => (macs * tokens[i]!) / each)]
    console.log(`| ${format.name} | ${cells.map((cell) => (cell / 1e6).toFixed(1)).join(' | ')} |`)
  }
}

console.log(`${cpus()[0]?.model}, Node ${process.versions.node} (V8 ${process.versions.v8}), one thread`)
for (const isa of values.isa.split(',')) {
  console.log(`\n## ${isa}\n`)
  if (isa === 'relaxed' && !hasRelaxedSimd()) {
    console.log('This engine has no relaxed SIMD.')
    continue
  }
  const bed = await Bed.make(isa)
  printLimits(bed)
  for (const matrix of values.matrices.split(',')) {
    const [rows, columns] = matrix.split('x').map(Number)
    if (!rows || !columns) throw new Error(`--matrices takes ROWSxCOLUMNS, not ${matrix}.`)
    printTable(bed, rows, columns)
  }
}
