/**
 * Random weights, the same for the same type and row length. A tensor is a window into an endless repetition of one
 * pattern, whose length in blocks is a prime so that rows differ; reading it anywhere costs no more than a copy.
 */
import { halvesFromFloats } from '../convert/float16.ts'
import { UnsupportedError } from '../errors.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import { WEIGHT_TYPES, type WeightType } from '../models/weight-types.ts'
import { Random } from '../sampler/random.ts'

/** Bytes that a pattern should have at least: far more than a row. */
const PATTERN_BYTES = 1024 * 1024

export class Weights {
  private readonly pattern: Uint8Array

  /**
   * @param type ggml's name of a type that has kernels: `F32`, `Q4_0` …
   * @param columns of a row: the weights' standard deviation is 1 / √columns, so that products keep their size
   */
  constructor(
    readonly type: string,
    readonly columns: number,
  ) {
    const format = WEIGHT_TYPES.get(type)
    if (!format) {
      throw new UnsupportedError('WEIGHT_TYPE', `There are no random weights of type ${type}.`, type)
    }
    this.pattern = fill(type, format, primeFrom(Math.ceil(PATTERN_BYTES / format.fileBytes)), 1 / Math.sqrt(columns))
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

function fill(type: string, format: WeightType, blocks: number, deviation: number): Uint8Array {
  const { fileBytes, scales } = format
  switch (type) {
    case 'F32':
      return uniformFloats(blocks, deviation)
    case 'F16':
      return halvesFromFloats(uniformFloats(blocks, deviation))
    case 'BF16':
      return upperHalves(uniformFloats(blocks, deviation))
    default:
      return quantized(blocks, fileBytes, scales, deviation)
  }
}

function uniformFloats(count: number, deviation: number): Uint8Array {
  const random = new Random(1)
  const values = new Float32Array(count)
  const reach = Math.sqrt(3) * deviation
  for (let i = 0; i < count; i++) values[i] = (random.next() / 2147483648 - 1) * reach
  return new Uint8Array(values.buffer)
}

/** Bytes 2 and 3 of every float: bfloat16s, rounded down. */
function upperHalves(floats: Uint8Array): Uint8Array {
  return floats.filter((_, i) => i % 4 >= 2)
}

/** Blocks of random bytes with scales of this deviation. */
function quantized(blocks: number, blockBytes: number, scales: WeightType['scales'], deviation: number): Uint8Array {
  const random = new Random(1)
  const words = new Uint32Array(Math.ceil((blocks * blockBytes) / 4))
  for (let i = 0; i < words.length; i++) words[i] = random.next()
  const bytes = new Uint8Array(words.buffer, 0, blocks * blockBytes)
  for (const [at, unit] of scales) {
    const half = halvesFromFloats(new Uint8Array(Float32Array.of(unit * deviation).buffer))
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
