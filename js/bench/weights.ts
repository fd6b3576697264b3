/**
 * Random weights, the same for the same type and row length. A tensor is a window into an endless repetition of one
 * pattern, whose length in blocks is a prime so that rows differ; reading it anywhere costs no more than a copy.
 */
import { halvesFromFloats } from '../convert/float16.ts'
import { UnsupportedError } from '../errors.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import { Random } from '../sampler/random.ts'

export const WEIGHT_TYPES = ['f32', 'f16', 'q4_0', 'q4_1', 'q8_0', 'q6_k'] as const
export type WeightTypeName = (typeof WEIGHT_TYPES)[number]

/** Bytes that a pattern should have at least: far more than a row. */
const PATTERN_BYTES = 1024 * 1024

export class Weights {
  private readonly pattern: Uint8Array

  /**
   * @param type ggml's name: `F32`, `F16`, `Q4_0`, `Q4_1`, `Q8_0` or `Q6_K`
   * @param columns of a row: the weights' standard deviation is 1 / √columns, so that products keep their size
   */
  constructor(
    readonly type: string,
    readonly columns: number,
  ) {
    const format = GGML_TYPES.get(type)
    if (!format || !(type in FILLERS)) {
      throw new UnsupportedError('WEIGHT_TYPE', `There are no random weights of type ${type}.`, type)
    }
    const blocks = primeFrom(Math.ceil(PATTERN_BYTES / format.blockBytes))
    this.pattern = FILLERS[type]!(blocks, format.blockBytes, 1 / Math.sqrt(columns))
  }

  /** Fills `target` with the bytes at `offset` of the tensor with this number. */
  read(target: Uint8Array, offset: number, tensor: number): void {
    const { pattern } = this
    const blockBytes = GGML_TYPES.get(this.type)!.blockBytes
    // Neighbouring tensors begin at different blocks.
    let from = (offset + tensor * 7919 * blockBytes) % pattern.length
    for (let done = 0; done < target.length; ) {
      const count = Math.min(target.length - done, pattern.length - from)
      target.set(pattern.subarray(from, from + count), done)
      done += count
      from = 0
    }
  }
}

type Filler = (blocks: number, blockBytes: number, deviation: number) => Uint8Array

/** The deviations of uniform integers: n values have √((n² − 1) / 12). */
const OF_16 = Math.sqrt(255 / 12)
const OF_64 = Math.sqrt(4095 / 12)
const OF_256 = Math.sqrt(65535 / 12)

const FILLERS: Readonly<Record<string, Filler>> = {
  F32: uniformFloats,
  F16: (blocks, _, deviation) => halvesFromFloats(uniformFloats(blocks, 4, deviation)),
  // d | 16 bytes of nibbles, each d · (q − 8)
  Q4_0: (blocks, bytes, deviation) => quantized(blocks, bytes, [[0, deviation / OF_16]]),
  // d, m | 16 bytes of nibbles, each d · q + m
  Q4_1: (blocks, bytes, deviation) =>
    quantized(blocks, bytes, [
      [0, deviation / OF_16],
      [2, (-7.5 * deviation) / OF_16],
    ]),
  // d | 32 signed bytes
  Q8_0: (blocks, bytes, deviation) => quantized(blocks, bytes, [[0, deviation / OF_256]]),
  // 6-bit values, 16 signed bytes of scales | d
  Q6_K: (blocks, bytes, deviation) => quantized(blocks, bytes, [[208, deviation / (OF_64 * OF_256)]]),
}

function uniformFloats(count: number, _: number, deviation: number): Uint8Array {
  const random = new Random(1)
  const values = new Float32Array(count)
  const reach = Math.sqrt(3) * deviation
  for (let i = 0; i < count; i++) values[i] = (random.next() / 2147483648 - 1) * reach
  return new Uint8Array(values.buffer)
}

/** Blocks of random bytes with these halves at these places. */
function quantized(blocks: number, blockBytes: number, halves: [at: number, value: number][]): Uint8Array {
  const random = new Random(1)
  const words = new Uint32Array(Math.ceil((blocks * blockBytes) / 4))
  for (let i = 0; i < words.length; i++) words[i] = random.next()
  const bytes = new Uint8Array(words.buffer, 0, blocks * blockBytes)
  for (const [at, value] of halves) {
    const half = halvesFromFloats(new Uint8Array(Float32Array.of(value).buffer))
    for (let block = 0; block < blocks; block++) bytes.set(half, block * blockBytes + at)
  }
  return bytes
}

function primeFrom(least: number): number {
  for (let n = least; ; n++) {
    let divisor = 2
    while (divisor * divisor <= n && n % divisor !== 0) divisor++
    if (divisor * divisor > n) return n
  }
}
