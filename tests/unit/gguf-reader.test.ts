import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FormatError, UnsupportedError } from '../../js/errors.ts'
import { GGML_TYPES, ggmlType } from '../../js/gguf/ggml-types.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { openFile } from '../../js/platform/files-node.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { Raw, read, rejects, sharedGgufFiles } from '../gguf-helpers.ts'
import { readSafetensors, shared, sharedTest } from '../shared.ts'

/** A second reader, as plain as can be, for sound files. */
function naiveMetadata(file: Buffer): Map<string, unknown> {
  let at = 24
  const next = (bytes: number) => {
    at += bytes
    return at - bytes
  }
  const u32 = () => file.readUInt32LE(next(4))
  const u64 = () => Number(file.readBigUInt64LE(next(8)))
  const text = () => {
    const length = u64()
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(file.subarray(at, next(length) + length))
  }
  const value = (type: number): unknown => {
    if (type === 4) return u32()
    if (type === 5) return file.readInt32LE(next(4))
    if (type === 6) return file.readFloatLE(next(4))
    if (type === 7) return file[next(1)] === 1
    if (type === 8) return text()
    if (type === 10) return u64()
    if (type === 9) {
      const of = u32()
      return Array.from({ length: u64() }, () => value(of))
    }
    throw new Error(`type ${type}`)
  }
  const metadata = new Map<string, unknown>()
  for (let i = Number(file.readBigUInt64LE(16)); i > 0; i--) {
    const key = text()
    metadata.set(key, value(u32()))
  }
  return metadata
}

sharedTest('every reference file reads as a naive reader reads it', async () => {
  const paths = sharedGgufFiles()
  assert.ok(paths.length > 0)
  for (const path of paths) {
    const source = await openFile(path)
    const gguf = await readGguf(source)
    await source.close()
    const file = readFileSync(path)
    assert.is(gguf.fileBytes, file.length)
    const naive = naiveMetadata(file)
    assert.equal([...gguf.metadata.keys()], [...naive.keys()], path)
    for (const [key, value] of gguf.metadata) {
      const plain = ArrayBuffer.isView(value) ? [...(value as Float32Array)] : value
      if (Array.isArray(plain)) {
        const expected = naive.get(key) as unknown[]
        assert.is(plain.length, expected.length)
        // Booleans of an array are numbers.
        const numbered = expected.map((item) => (typeof item === 'boolean' ? Number(item) : item))
        assert.ok(
          plain.every((item, i) => Object.is(item, numbered[i])),
          `${path} ${key}`,
        )
      } else assert.is(value, naive.get(key), `${path} ${key}`)
    }
    assert.is(gguf.tensors.size, Number(file.readBigUInt64LE(8)))
    if (gguf.tensors.size === 0) continue
    // Tensors follow each other, aligned, up to the end of the file.
    let offset = gguf.dataOffset
    for (const tensor of gguf.tensors.values()) {
      assert.is(tensor.offset, offset, `${path} ${tensor.name}`)
      offset = Math.ceil((offset + tensor.bytes) / 32) * 32
    }
    assert.is(offset, file.length, path)
  }
})

sharedTest("block sizes agree with what llama.cpp's quantizer writes", () => {
  const tensors = readSafetensors(shared('goldens', 'blocks.safetensors'))
  let seen = 0
  for (const [key, tensor] of tensors) {
    if (!key.endsWith('.bytes')) continue
    const name = key.slice(0, -'.bytes'.length)
    const type = GGML_TYPES.get(name)!
    assert.ok(type, name)
    const elements = tensors.get('rows')!.data.length
    assert.is(tensor.data.byteLength, (elements / type.blockColumns) * type.blockBytes, name)
    seen++
  }
  assert.ok(seen > 0)
})

test('types are found by id and by name', () => {
  for (const type of GGML_TYPES.values()) assert.is(ggmlType(type.id), type)
  assert.is(ggmlType(4), undefined)
  assert.is(GGML_TYPES.get('Q6_K')!.blockBytes, 210)
})

test('every value type, in versions 2 and 3', async () => {
  for (const version of [2, 3]) {
    const raw = new Raw().header(0, 13, version)
    raw.text('u8').u32(0).u8(200).text('i8').u32(1).u8(200).text('u16').u32(2).u8(0, 255).text('i16').u32(3).u8(0, 255)
    raw.text('u32').u32(4).u32(0xffffffff).text('i32').u32(5).u32(0xffffffff).text('f32').u32(6).u32(0x3fc00000)
    raw.text('bool').u32(7).u8(1).text('string').u32(8).text('\ufeffGrüße ▁😀\0')
    raw
      .text('u64')
      .u32(10)
      .u64(2n ** 63n)
      .text('i64')
      .u32(11)
      .u64(-5n)
      .text('f64')
      .u32(12)
      .u64(0x3ff8000000000000n)
    raw.text('nested').u32(9).u32(9).u64(2).u32(4).u64(1).u32(7).u32(8).u64(1).text('x')
    const { metadata, ...gguf } = await read(raw)
    assert.is(gguf.version, version)
    assert.equal(Object.fromEntries(metadata), {
      u8: 200,
      i8: -56,
      u16: 65280,
      i16: -256,
      u32: 4294967295,
      i32: -1,
      f32: 1.5,
      bool: true,
      string: '\ufeffGrüße ▁😀\0',
      u64: 2n ** 63n,
      i64: -5,
      f64: 1.5,
      nested: [Uint32Array.of(7), ['x']],
    })
  }
})

test('arrays of every type', async () => {
  const raw = new Raw().header(0, 4)
  raw
    .text('u64s')
    .u32(9)
    .u32(10)
    .u64(2)
    .u64(1)
    .u64(2n ** 64n - 1n)
  raw.text('bools').u32(9).u32(7).u64(3).u8(1, 0, 1)
  raw.text('i16s').u32(9).u32(3).u64(2).u8(1, 0, 255, 255)
  raw.text('none').u32(9).u32(8).u64(0)
  const { metadata } = await read(raw)
  assert.equal(metadata.get('u64s'), BigUint64Array.of(1n, 2n ** 64n - 1n))
  assert.equal(metadata.get('bools'), Uint8Array.of(1, 0, 1))
  assert.equal(metadata.get('i16s'), Int16Array.of(1, -1))
  assert.equal(metadata.get('none'), [])
})

test('strings and arrays larger than the window', async () => {
  const long = 'é▁x'.repeat(300_000)
  const bytes = Buffer.from(long)
  const count = 300_001
  const numbers = Uint32Array.from({ length: count }, (_, i) => i * 7)
  const file = Buffer.concat([
    new Raw().header(0, 3).text('long').u32(8).u64(bytes.length).bytes,
    bytes,
    new Raw().text('numbers').u32(9).u32(4).u64(count).bytes,
    Buffer.from(numbers.buffer),
    new Raw().text('after').u32(4).u32(5).bytes,
  ])
  const { metadata } = await read(new Uint8Array(file))
  assert.ok(metadata.get('long') === long)
  assert.equal(metadata.get('numbers'), numbers)
  assert.is(metadata.get('after'), 5)
})

test('short strings decode as TextDecoder decodes them, sound or not', async () => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  for (let first = 0; first < 256; first++) {
    const raw = new Raw().header(0, 1).text('k').u32(9).u32(8).u64(256)
    for (let second = 0; second < 256; second++) raw.u64(3).u8(first, second, 0x78)
    const strings = (await read(raw)).metadata.get('k') as string[]
    for (let second = 0; second < 256; second++) {
      assert.is(strings[second], decoder.decode(Uint8Array.of(first, second, 0x78)))
    }
  }
})

test('strings of every length around the limits', async () => {
  const words = Array.from({ length: 80 }, (_, length) => 'aé'.repeat(40).slice(0, length))
  const raw = new Raw().header(0, 1).text('k').u32(9).u32(8).u64(words.length)
  for (const word of words) raw.text(word)
  assert.equal((await read(raw)).metadata.get('k'), words)
})

test('arrays may nest four deep and no deeper', async () => {
  const nested = (depth: number) => {
    const raw = new Raw().header(0, 1).text('k').u32(9)
    for (let i = 1; i < depth; i++) raw.u32(9).u64(1)
    return read(raw.u32(0).u64(1).u8(5))
  }
  assert.equal((await nested(4)).metadata.get('k'), [[[Uint8Array.of(5)]]])
  await rejects(nested(5), FormatError, 'GGUF_NESTING')
})

test('invalid UTF-8 becomes replacement characters', async () => {
  const { metadata } = await read(new Raw().header(0, 1).text('k').u32(8).u64(4).u8(0x61, 0xc3, 0x28, 0xc0))
  assert.is(metadata.get('k'), 'a\ufffd(\ufffd')
})

const aligned = (raw: Raw, bytes = 64) => raw.pad(32).zeros(bytes)

test('tensors: dimensions, bytes, offsets in the file', async () => {
  const raw = new Raw().header(2, 1).text('general.alignment').u32(4).u32(64)
  raw.tensor('a', [32, 3], 2, 64).tensor('b', [4, 1, 2, 1], 0, 0).pad(64)
  const { tensors, dataOffset } = await read(raw.zeros(64 + 54))
  assert.is(dataOffset % 64, 0)
  assert.equal(
    [...tensors.values()],
    [
      { name: 'a', dimensions: [32, 3], type: 'Q4_0', offset: dataOffset + 64, bytes: 54 },
      { name: 'b', dimensions: [4, 1, 2, 1], type: 'F32', offset: dataOffset, bytes: 32 },
    ],
  )
})

test('a tensor of an unknown type is listed without bytes', async () => {
  const { tensors } = await read(aligned(new Raw().header(1, 0).tensor('t', [33], 99, 32)))
  assert.is(tensors.get('t')!.type, 'type 99')
  assert.is(tensors.get('t')!.bytes, 0)
})

const malformed: [what: string, code: string, raw: Raw][] = [
  ['another magic', 'GGUF_MAGIC', new Raw().u8(0x47, 0x47, 0x4d, 0x4c).zeros(40)],
  ['a duplicate key', 'GGUF_DUPLICATE_KEY', new Raw().header(0, 2).text('k').u32(0).u8(1).text('k').u32(0).u8(1)],
  ['an unknown value type', 'GGUF_VALUE_TYPE', new Raw().header(0, 1).text('k').u32(13).zeros(16)],
  ['an unknown element type', 'GGUF_VALUE_TYPE', new Raw().header(0, 1).text('k').u32(9).u32(77).u64(0)],
  ['a boolean of 2', 'GGUF_BOOLEAN', new Raw().header(0, 1).text('k').u32(7).u8(2)],
  ['a boolean of 2 in an array', 'GGUF_BOOLEAN', new Raw().header(0, 1).text('k').u32(9).u32(7).u64(2).u8(1, 2)],
  ['alignment 0', 'GGUF_ALIGNMENT', new Raw().header(0, 1).text('general.alignment').u32(4).u32(0)],
  ['alignment 48', 'GGUF_ALIGNMENT', new Raw().header(0, 1).text('general.alignment').u32(4).u32(48)],
  [
    'alignment 2^31',
    'GGUF_ALIGNMENT',
    new Raw()
      .header(0, 1)
      .text('general.alignment')
      .u32(4)
      .u32(2 ** 31),
  ],
  ['an alignment that is text', 'METADATA_TYPE', new Raw().header(0, 1).text('general.alignment').u32(8).text('32')],
  [
    'a duplicate tensor',
    'GGUF_DUPLICATE_TENSOR',
    aligned(new Raw().header(2, 0).tensor('t', [4], 0, 0).tensor('t', [4], 0, 32)),
  ],
  ['no dimensions', 'GGUF_DIMENSIONS', aligned(new Raw().header(1, 0).tensor('t', [], 0, 0))],
  ['five dimensions', 'GGUF_DIMENSIONS', aligned(new Raw().header(1, 0).tensor('t', [1, 1, 1, 1, 1], 0, 0))],
  ['a dimension of 0', 'GGUF_DIMENSIONS', aligned(new Raw().header(1, 0).tensor('t', [4, 0], 0, 0))],
  ['a dimension of -1', 'GGUF_DIMENSIONS', aligned(new Raw().header(1, 0).tensor('t', [-1n as never], 0, 0))],
  ['2^60 elements', 'GGUF_DIMENSIONS', aligned(new Raw().header(1, 0).tensor('t', [2 ** 30, 2 ** 30], 0, 0))],
  [
    '2^60 elements of an unknown type',
    'GGUF_DIMENSIONS',
    aligned(new Raw().header(1, 0).tensor('t', [2 ** 30, 2 ** 30], 99, 0)),
  ],
  ['2^55 bytes', 'GGUF_DIMENSIONS', aligned(new Raw().header(1, 0).tensor('t', [2 ** 52], 0, 0))],
  ['half a block', 'GGUF_BLOCK', aligned(new Raw().header(1, 0).tensor('t', [48], 2, 0))],
  ['a misaligned offset', 'GGUF_OFFSET', aligned(new Raw().header(1, 0).tensor('t', [4], 0, 16))],
  ['an overlap', 'GGUF_OVERLAP', aligned(new Raw().header(2, 0).tensor('a', [12], 0, 0).tensor('b', [4], 0, 32))],
  ['data beyond the end', 'GGUF_TRUNCATED', aligned(new Raw().header(1, 0).tensor('t', [17], 0, 0))],
  ['an offset beyond the end', 'GGUF_TRUNCATED', aligned(new Raw().header(1, 0).tensor('t', [4], 0, 96))],
  ['an unknown type beyond the end', 'GGUF_TRUNCATED', aligned(new Raw().header(1, 0).tensor('t', [4], 99, 96))],
  ['an offset of 2^63', 'GGUF_TRUNCATED', aligned(new Raw().header(1, 0).tensor('t', [4], 0, 2n ** 63n))],
  ['2^60 entries', 'GGUF_TRUNCATED', new Raw().header(0, 2n ** 60n).zeros(100)],
  ['2^40 tensors', 'GGUF_TRUNCATED', new Raw().header(2n ** 40n, 0).zeros(100)],
  [
    'a string of 2^62 bytes',
    'GGUF_TRUNCATED',
    new Raw()
      .header(0, 1)
      .u64(2n ** 62n)
      .zeros(100),
  ],
  [
    'an array of 2^50 numbers',
    'GGUF_TRUNCATED',
    new Raw()
      .header(0, 1)
      .text('k')
      .u32(9)
      .u32(4)
      .u64(2n ** 50n),
  ],
  [
    'an array of 2^50 strings',
    'GGUF_TRUNCATED',
    new Raw()
      .header(0, 1)
      .text('k')
      .u32(9)
      .u32(8)
      .u64(2n ** 50n),
  ],
  [
    'an array of 2^50 arrays',
    'GGUF_TRUNCATED',
    new Raw()
      .header(0, 1)
      .text('k')
      .u32(9)
      .u32(9)
      .u64(2n ** 50n),
  ],
]
for (const [what, code, raw] of malformed) {
  test(`refuses ${what}`, async () => {
    const error = await rejects(read(raw), FormatError, code)
    assert.ok(error.message.length > 20 && error.value !== undefined)
  })
}

test('refuses counts that would fit in the file but not in memory', async () => {
  // 64 MiB of zeros hold 8 million empty strings.
  const start = new Raw()
    .header(0, 1)
    .text('k')
    .u32(9)
    .u32(8)
    .u64(2 ** 23 - 100).bytes
  const file = new Uint8Array(2 ** 26)
  file.set(start)
  await rejects(read(file), FormatError, 'GGUF_COUNT')
})

test('refuses other versions and big-endian files by name', async () => {
  const version1 = await rejects(read(new Raw().header(0, 0, 1)), UnsupportedError, 'GGUF_VERSION')
  assert.match(version1.message, /version 1.*convert/)
  await rejects(read(new Raw().header(0, 0, 4)), UnsupportedError, 'GGUF_VERSION')
  await rejects(read(new Raw().header(0, 0, 0x03000000)), UnsupportedError, 'GGUF_BIG_ENDIAN')
})

test('says what a file that is no GGUF seems to be', async () => {
  const start = (text: string) => rejects(read(new TextEncoder().encode(text)), FormatError, 'GGUF_MAGIC')
  assert.match((await start('version https://git-lfs.github.com/spec/v1')).message, /git lfs pull/)
  assert.match((await start('<!doctype html>')).message, /web page/)
  assert.match((await start('PK\x03\x04')).message, /PyTorch/)
})

test('a file cut short anywhere says what is missing', async () => {
  const raw = new Raw()
    .header(1, 2)
    .text('key')
    .u32(4)
    .u32(7)
    .text('words')
    .u32(9)
    .u32(8)
    .u64(2)
    .text('one')
    .text('two')
  const file = aligned(raw.tensor('weight', [4, 4], 0, 0)).bytes
  assert.is((await read(file)).tensors.size, 1)
  for (let length = 0; length < file.length; length++) {
    const error = await rejects(read(file.subarray(0, length)), FormatError, 'GGUF_TRUNCATED')
    const { section, needed, available } = error.value as { section: string; needed: number; available: number }
    assert.ok(section.length > 0 && needed > available && available >= 0, error.message)
  }
})

test('an aborted read rejects', async () => {
  const reading = readGguf(bytesSource(new Raw().header(0, 0).bytes), AbortSignal.abort())
  await rejects(reading, Error as never, 'ABORTED')
})

test.run()
