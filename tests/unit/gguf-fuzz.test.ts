/** Damaged files: readGguf gives something sound or throws a CriaError, soon and without taking much memory. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CriaError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import type { Gguf } from '../../js/gguf/types.ts'
import { writeGguf } from '../../js/gguf/writer.ts'
import { bytesSource } from '../../js/source/memory.ts'
import type { Source } from '../../js/source/types.ts'
import { concat, random, sharedGgufFiles } from '../gguf-helpers.ts'
import { sharedTest } from '../shared.ts'

const DEMO = new Uint8Array(readFileSync(new URL('../../models/stories260K.gguf', import.meta.url)))

function assertSound(gguf: Gguf): void {
  assert.ok(gguf.dataOffset <= gguf.fileBytes)
  const spans: [number, number][] = []
  for (const [name, tensor] of gguf.tensors) {
    assert.is(tensor.name, name)
    assert.ok(tensor.dimensions.length >= 1 && tensor.dimensions.length <= 4)
    const elements = tensor.dimensions.reduce((product, dimension) => product * dimension, 1)
    assert.ok(elements >= 1 && Number.isSafeInteger(elements))
    assert.ok(tensor.offset >= gguf.dataOffset && tensor.offset + tensor.bytes <= gguf.fileBytes)
    assert.ok(tensor.bytes > 0 || tensor.type.startsWith('type '))
    if (tensor.bytes > 0) spans.push([tensor.offset, tensor.offset + tensor.bytes])
  }
  spans.sort((a, b) => a[0] - b[0])
  for (let i = 1; i < spans.length; i++) assert.ok(spans[i - 1]![1] <= spans[i]![0])
  for (const value of gguf.metadata.values()) {
    if (ArrayBuffer.isView(value)) assert.ok(value.byteLength <= gguf.fileBytes)
  }
}

/** Reads; returns the error's code, or '' where the file was taken. */
async function probe(bytes: Uint8Array): Promise<string> {
  const inner = bytesSource(bytes)
  let readBytes = 0
  const source: Source = {
    ...inner,
    read(target, offset, signal) {
      readBytes += target.length
      assert.ok(target.buffer.byteLength <= bytes.length, 'a buffer larger than the file')
      return inner.read(target, offset, signal)
    },
  }
  const start = performance.now()
  let code = ''
  try {
    assertSound(await readGguf(source))
  } catch (error) {
    if (!(error instanceof CriaError)) throw error
    code = error.code
  }
  assert.ok(readBytes <= 2 * bytes.length, 'bytes were read again and again')
  assert.ok(performance.now() - start < 5000, 'took too long')
  return code
}

/** Numbers where counts, lengths, types and offsets may stand. */
function hugeNumbers(size: number): bigint[] {
  return [0n, 0xffffffffn, BigInt(size), BigInt(size >> 3), 2n ** 40n, 2n ** 53n - 1n, 2n ** 63n, 2n ** 64n - 1n]
}

/** Runs with eight bytes replaced, then puts them back. */
async function withSplice(bytes: Uint8Array, at: number, value: bigint, run: () => Promise<unknown>): Promise<void> {
  const splice = new Uint8Array(BigUint64Array.of(value).buffer).subarray(0, Math.min(8, bytes.length - at))
  const saved = bytes.slice(at, at + splice.length)
  bytes.set(splice, at)
  await run()
  bytes.set(saved, at)
}

async function smallFile(): Promise<Uint8Array> {
  const scalars = (
    ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float32', 'float64'] as const
  ).map((type) => ({ key: type, type, value: 3 }))
  const metadata = [
    ...scalars,
    { key: 'bool', type: 'bool', value: true },
    { key: 'string', type: 'string', value: 'grün' },
    { key: 'words', type: 'array', of: 'string', value: ['a', 'bc', '▁d'] },
    { key: 'numbers', type: 'array', of: 'int16', value: [1, 2, 3] },
    { key: 'flags', type: 'array', of: 'bool', value: [true, false] },
    { key: 'general.alignment', type: 'uint32', value: 32 },
  ] as const
  const tensors = (['F32', 'Q4_0', 'F16'] as const).map((type, i) => ({
    name: `t${i}`,
    dimensions: [32, i + 1],
    type,
    data: () => [new Uint8Array([128, 36, 192][i]!)],
  }))
  return concat(writeGguf(metadata, tensors))
}

test('a small file: every byte flipped, every position spliced, every length', async () => {
  const bytes = await smallFile()
  assert.is(await probe(bytes), '')
  const codes = new Set<string>()
  const { dataOffset } = await readGguf(bytesSource(bytes))
  for (let at = 0; at < dataOffset; at++) {
    for (let bit = 0; bit < 8; bit++) {
      bytes[at]! ^= 1 << bit
      codes.add(await probe(bytes))
      bytes[at]! ^= 1 << bit
    }
    for (const value of hugeNumbers(bytes.length)) {
      await withSplice(bytes, at, value, async () => codes.add(await probe(bytes)))
    }
  }
  for (let length = 0; length < bytes.length - 32; length++) {
    assert.is(await probe(bytes.subarray(0, length)), 'GGUF_TRUNCATED')
  }
  for (const code of [
    '',
    'GGUF_MAGIC',
    'GGUF_VERSION',
    'GGUF_TRUNCATED',
    'GGUF_VALUE_TYPE',
    'GGUF_BLOCK',
    'GGUF_OVERLAP',
  ]) {
    assert.ok(codes.has(code), `never met ${code || 'success'}`)
  }
})

async function fuzz(file: Uint8Array, seed: number, rounds: number): Promise<void> {
  assert.is(await probe(file), '')
  const { dataOffset } = await readGguf(bytesSource(file))
  const bytes = file.slice()
  const next = random(seed)
  const values = hugeNumbers(file.length)
  for (let round = 0; round < rounds; round++) {
    assert.is(await probe(bytes.subarray(0, next() % dataOffset)), 'GGUF_TRUNCATED')
    const at = next() % dataOffset
    await withSplice(bytes, at, values[next() % values.length]!, () => probe(bytes))
    await withSplice(bytes, at, (BigInt(next()) << 32n) | BigInt(next()), () => probe(bytes))
    bytes[at]! ^= 1 << (next() & 7)
    await probe(bytes)
    bytes[at] = file[at]!
  }
  assert.is(await probe(bytes), '')
}

test('the demo model, damaged', () => fuzz(DEMO, 1, 1000))

sharedTest('reference models, damaged', async () => {
  const paths = sharedGgufFiles('goldens/tiny')
  assert.ok(paths.length > 0)
  for (const [i, path] of paths.entries()) await fuzz(new Uint8Array(readFileSync(path)), i + 2, 60)
})

test('lying counts take no memory', async () => {
  const { dataOffset } = await readGguf(bytesSource(DEMO))
  const bytes = DEMO.slice()
  const before = process.memoryUsage()
  let peak = 0
  for (let at = 0; at < dataOffset; at += 61) {
    for (const value of hugeNumbers(bytes.length)) await withSplice(bytes, at, value, () => probe(bytes))
    const { heapUsed, external } = process.memoryUsage()
    peak = Math.max(peak, heapUsed - before.heapUsed + external - before.external)
  }
  assert.ok(peak < 256 * DEMO.length, `took ${peak} bytes`)
})

test('bytes that are no GGUF at all', async () => {
  const next = random(7)
  for (let round = 0; round < 2000; round++) {
    const bytes = Uint8Array.from({ length: next() % 300 }, () => next())
    if (round % 2 === 0) bytes.set([0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0].slice(0, bytes.length))
    assert.is.not(await probe(bytes), '')
  }
})

test.run()
