/**
 * A small wasm module beside the kernels: what the machine gives at most (reading memory, bare multiplications), and
 * loops that call a kernel for many groups, so that a measurement crosses from JavaScript once. Compiled when needed.
 */
import asc from 'assemblyscript/asc'
import type { Kernels } from '../kernel-harness.ts'

export interface Limits {
  /** Loads every vector of [at, at + bytes), bytes a multiple of 64. */
  read(at: number, bytes: number): number
  /** Bare dots, `rounds` · CHAINS of them: f32 mul and add, i16 dot and i32 add, and in the relaxed build i8 dots. */
  f32(rounds: number): number
  i16(rounds: number): number
  i8?(rounds: number): number
  i8add?(rounds: number): number
  /** The kernels, for `count` groups from `group` on. */
  matvec(
    type: number,
    group: number,
    groupBytes: number,
    count: number,
    columns: number,
    acts: number,
    out: number,
  ): void
  matmul(
    type: number,
    group: number,
    groupBytes: number,
    count: number,
    columns: number,
    acts: number,
    n: number,
    scratch: number,
    out: number,
  ): void
}

/** Multiplications of one dot of each kind. */
export const MACS = { f32: 4, i16: 8, i8: 16, i8add: 16 } as const

/** Independent accumulators: enough to hide the latency of a multiplication and an addition. */
export const CHAINS = 12

/** Each step needs the accumulator, so that no engine moves it out of the loop. */
const STEPS = {
  f32: 'f32x4.add(f32x4.mul(a, w), w)',
  i16: 'i32x4.add(i32x4.dot_i16x8_s(a, w), w)',
  // Two arguments is what the instruction takes; the compiler's declaration has three.
  i8: 'i16x8.add(i16x8.relaxed_dot_i8x16_i7x16_s(a, w), w)',
  i8add: 'i32x4.relaxed_dot_i8x16_i7x16_add_s(w, w, a)',
}

function dots(name: keyof typeof STEPS): string {
  const chains = Array.from({ length: CHAINS }, (_, i) => `a${i}`)
  // 0.5 as f32; as bytes 0, 0, 0, 63: in the range of relaxed dots.
  return `export function ${name}(rounds: i32): i32 {
  const w = f32x4.splat(0.5)
  ${chains.map((a) => `let ${a} = w`).join('; ')}
  for (let i = 0; i < rounds; i++) {
    ${chains.map((a) => `${a} = ${STEPS[name].replace(/\ba\b/g, a)}`).join('\n    ')}
  }
  return i32x4.extract_lane(${chains.reduce((all, a) => `v128.xor(${all}, ${a})`)}, 0)
}`
}

function source(relaxed: boolean): string {
  return `
@external("kernels", "matvec")
declare function kernelMatvec(type: i32, group: usize, columns: i32, acts: usize, out: usize): void
@external("kernels", "matmul")
declare function kernelMatmul(
  type: i32, group: usize, columns: i32, acts: usize, n: i32, scratch: usize, out: usize,
): void

export function matvec(
  type: i32, group: usize, groupBytes: usize, count: i32, columns: i32, acts: usize, out: usize,
): void {
  for (let i = 0; i < count; i++, group += groupBytes) kernelMatvec(type, group, columns, acts, out)
}

export function matmul(
  type: i32, group: usize, groupBytes: usize, count: i32, columns: i32, acts: usize, n: i32, scratch: usize, out: usize,
): void {
  for (let i = 0; i < count; i++, group += groupBytes) kernelMatmul(type, group, columns, acts, n, scratch, out)
}

export function read(at: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a
  for (const end = at + bytes; at < end; at += 64) {
    a = v128.xor(a, v128.load(at))
    b = v128.xor(b, v128.load(at, 16))
    c = v128.xor(c, v128.load(at, 32))
    d = v128.xor(d, v128.load(at, 48))
  }
  return i32x4.extract_lane(v128.xor(v128.xor(a, b), v128.xor(c, d)), 0)
}

${(relaxed ? (['f32', 'i16', 'i8', 'i8add'] as const) : (['f32', 'i16'] as const)).map(dots).join('\n')}`
}

/** @param relaxed whether the engine has relaxed SIMD, and i8 dots are wanted */
export async function instantiateLimits(
  relaxed: boolean,
  memory: WebAssembly.Memory,
  kernels: Kernels,
): Promise<Limits> {
  let binary: Uint8Array | undefined
  const stderr = asc.createMemoryStream()
  const { error } = await asc.main(
    [
      ...['limits.ts', '--outFile', 'limits.wasm', '--runtime', 'stub', '--importMemory', '--noAssert', '-O1'],
      ...['--enable', relaxed ? 'simd,relaxed-simd' : 'simd'],
    ],
    {
      stderr,
      readFile: (name) => (name === 'limits.ts' ? source(relaxed) : null),
      writeFile: (name, contents) => {
        if (name === 'limits.wasm') binary = contents as Uint8Array
      },
    },
  )
  if (error || !binary) throw new Error(`asc: ${stderr.toString()}`, { cause: error })
  const module = new WebAssembly.Module(new Uint8Array(binary))
  const imports = { env: { memory }, kernels: { matvec: kernels.matvec, matmul: kernels.matmul } }
  return new WebAssembly.Instance(module, imports as unknown as WebAssembly.Imports).exports as unknown as Limits
}
