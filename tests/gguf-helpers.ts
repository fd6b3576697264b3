/** Raw GGUF bytes, written without js/gguf/writer.ts so that they can be wrong on purpose. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { CriaError } from '../js/errors.ts'
import { readGguf } from '../js/gguf/reader.ts'
import type { Gguf } from '../js/gguf/types.ts'
import { bytesSource } from '../js/source/memory.ts'
import { hasShared, shared } from './shared.ts'

export class Raw {
  #parts: number[] = []
  u8(...values: number[]): this {
    for (const value of values) this.#parts.push(value & 255)
    return this
  }
  u32(value: number): this {
    return this.u8(value, value >>> 8, value >>> 16, value >>> 24)
  }
  u64(value: number | bigint): this {
    const big = BigInt.asUintN(64, BigInt(value))
    return this.u32(Number(big & 0xffffffffn)).u32(Number(big >> 32n))
  }
  text(text: string): this {
    const bytes = new TextEncoder().encode(text)
    return this.u64(bytes.length).u8(...bytes)
  }
  pad(alignment: number): this {
    while (this.#parts.length % alignment !== 0) this.#parts.push(0)
    return this
  }
  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.#parts.push(0)
    return this
  }
  /** Magic, version, counts. */
  header(tensors: number | bigint, entries: number | bigint, version = 3): this {
    return this.u8(0x47, 0x47, 0x55, 0x46).u32(version).u64(tensors).u64(entries)
  }
  /** A tensor info. */
  tensor(name: string, dimensions: (number | bigint)[], type: number, offset: number | bigint): this {
    this.text(name).u32(dimensions.length)
    for (const dimension of dimensions) this.u64(dimension)
    return this.u32(type).u64(offset)
  }
  get bytes(): Uint8Array {
    return Uint8Array.from(this.#parts)
  }
}

export function read(raw: Raw | Uint8Array): Promise<Gguf> {
  return readGguf(bytesSource(raw instanceof Raw ? raw.bytes : raw, 'test.gguf'))
}

/** The CriaError that the promise rejects with; its class and code are checked. */
export async function rejects(
  promise: Promise<unknown>,
  Class: new (...args: never[]) => CriaError,
  code: string,
): Promise<CriaError> {
  try {
    await promise
  } catch (error) {
    assert.instance(error, CriaError, `${String(error)} is no CriaError`)
    assert.is((error as CriaError).code, code, (error as Error).message)
    assert.instance(error, Class)
    return error as CriaError
  }
  assert.unreachable(`should have failed with ${code}`)
  throw new Error()
}

/** All GGUF files below a folder of the shared references. */
export function sharedGgufFiles(folder = ''): string[] {
  if (!hasShared) return []
  return (readdirSync(shared(folder), { recursive: true }) as string[])
    .filter((name) => name.endsWith('.gguf'))
    .map((name) => join(shared(folder), name))
    .filter((path) => statSync(path).isFile())
    .sort()
}

export async function concat(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk))
  return new Uint8Array(Buffer.concat(parts))
}

/** A generator of the same numbers in 0..2^32-1 for the same seed (xorshift32). */
export function random(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
