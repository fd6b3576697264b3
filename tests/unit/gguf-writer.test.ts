import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArgumentError, FormatError } from '../../js/errors.ts'
import { type MetadataEntry, type TensorEntry, writeGguf } from '../../js/gguf/writer.ts'
import { concat, read, rejects } from '../gguf-helpers.ts'

const write = (metadata: MetadataEntry[], tensors: TensorEntry[] = []) => concat(writeGguf(metadata, tensors))

const tensor = (name: string, dimensions: number[], type: string, bytes: number): TensorEntry => ({
  name,
  dimensions,
  type,
  *data() {
    for (let done = 0; done < bytes; done += 10)
      yield new Uint8Array(Math.min(10, bytes - done)).fill(name.charCodeAt(0))
  },
})

test('what is written is read back', async () => {
  const metadata: MetadataEntry[] = [
    { key: 'u8', type: 'uint8', value: 255 },
    { key: 'i8', type: 'int8', value: -128 },
    { key: 'u16', type: 'uint16', value: 65535 },
    { key: 'i16', type: 'int16', value: -2 },
    { key: 'u32', type: 'uint32', value: 4294967295 },
    { key: 'i32', type: 'int32', value: -2147483648 },
    { key: 'f32', type: 'float32', value: 0.5 },
    { key: 'bool', type: 'bool', value: false },
    { key: 'string', type: 'string', value: 'schön' },
    { key: 'u64', type: 'uint64', value: 2n ** 64n - 1n },
    { key: 'i64', type: 'int64', value: -7 },
    { key: 'f64', type: 'float64', value: 0.1 },
    { key: 'words', type: 'array', of: 'string', value: Array.from({ length: 20_000 }, (_, i) => `token ${i}`) },
    { key: 'floats', type: 'array', of: 'float32', value: Float32Array.of(1, -0, NaN) },
    { key: 'general.alignment', type: 'uint32', value: 64 },
  ]
  const file = await write(metadata, [tensor('a', [3, 2], 'F16', 12), tensor('b', [32], 'Q8_0', 34)])
  const gguf = await read(file)
  for (const { key, value } of metadata) {
    if (typeof value !== 'bigint' && typeof value !== 'object') assert.is(gguf.metadata.get(key), value, key)
  }
  assert.is(gguf.metadata.get('u64'), 2n ** 64n - 1n)
  assert.equal(gguf.metadata.get('words'), metadata[12]!.value)
  const floats = [...(gguf.metadata.get('floats') as Float32Array)]
  assert.ok([1, -0, NaN].every((value, i) => Object.is(value, floats[i])) && floats.length === 3)
  assert.is(file.length % 64, 0)
  for (const [name, bytes] of [
    ['a', 12],
    ['b', 34],
  ] as const) {
    const { offset, ...info } = gguf.tensors.get(name)!
    assert.is(info.bytes, bytes)
    assert.is((offset - gguf.dataOffset) % 64, 0)
    assert.ok(file.subarray(offset, offset + bytes).every((byte) => byte === name.charCodeAt(0)))
  }
})

test('entries carried over as they stand in a file give the same file', async () => {
  const metadata: MetadataEntry[] = [
    { key: 'none', type: 'array', of: 'bool', value: [] },
    { key: 'flags', type: 'array', of: 'bool', value: [true, false] },
    { key: 'f64', type: 'float64', value: 3 },
    { key: 'words', type: 'array', of: 'string', value: ['a', ''] },
  ]
  const file = await write(metadata)
  const { entries } = await read(file)
  const raw = Array.from(entries, ([key, [start, end]]) => ({ key, raw: file.subarray(start, end) }))
  assert.equal(await concat(writeGguf(raw, [])), file)
  const aligned = [{ key: 'general.alignment', raw: new Uint8Array(1) }]
  await rejects(concat(writeGguf(aligned, [])), ArgumentError, 'ALIGNMENT')
})

test('a file without tensors', async () => {
  assert.is((await read(await write([]))).tensors.size, 0)
})

test('refuses what cannot be written', async () => {
  const entry = (type: never, value: never) => write([{ key: 'k', type, value }])
  for (const [type, value] of [
    ['uint8', 256],
    ['uint8', -1],
    ['int32', 2147483648],
    ['uint32', 1.5],
    ['uint64', -1n],
    ['string', 1],
    ['float32', '1'],
    ['bool', 2],
  ]) {
    await rejects(entry(type as never, value as never), ArgumentError, 'METADATA_VALUE')
  }
  await rejects(write([], [tensor('t', [4], 'F32', 15)]), ArgumentError, 'TENSOR_BYTES')
  await rejects(write([], [tensor('t', [4], 'F99', 16)]), ArgumentError, 'TENSOR_TYPE')
  await rejects(write([], [tensor('t', [4], 'Q4_0', 16)]), FormatError, 'GGUF_BLOCK')
  await rejects(write([], [tensor('t', [4], 'F32', 16), tensor('t', [4], 'F32', 16)]), ArgumentError, 'DUPLICATE')
  const key: MetadataEntry = { key: 'k', type: 'uint8', value: 1 }
  await rejects(write([key, key]), ArgumentError, 'DUPLICATE')
  await rejects(write([{ key: 'general.alignment', type: 'uint32', value: 3 }]), ArgumentError, 'ALIGNMENT')
})

test.run()
