/**
 * Reads the header of a GGUF file, trusting nothing in it.
 *
 *     magic 'GGUF' | u32 version | u64 tensors | u64 metadata entries
 *     metadata entry: string key | u32 value type | value
 *     tensor info:    string name | u32 dimensions | u64 dimension … | u32 ggml_type | u64 offset
 *     padding to general.alignment
 *     data: tensors at their offsets, each a multiple of the alignment
 *
 * Source: ggml's docs/gguf.md. Numbers are little-endian, as is every machine that runs WebAssembly engines.
 */
import { FormatError, UnsupportedError } from '../errors.ts'
import type { Source } from '../source/types.ts'
import { Cursor, truncated } from './cursor.ts'
import { elementCount, ggmlType, tensorBytes } from './ggml-types.ts'
import { getNumber } from './metadata.ts'
import type { Gguf, Metadata, MetadataArray, MetadataValue, TensorInfo } from './types.ts'
import {
  ARRAY,
  isAlignment,
  MAX_ALIGNMENT,
  NUMERIC_NAMES,
  NUMERIC_TYPES,
  type NumericType,
  STRING,
} from './value-types.ts'

/** Entries, tensors, strings and nested arrays in all: far above any real header, and few enough to hold. */
const MAX_OBJECTS = 1 << 22
const MAX_ARRAY_BYTES = 1 << 30
const MAX_NESTING = 4
/** Least bytes of a metadata entry (empty key, u8 value), and of a tensor info (empty name, one dimension). */
const LEAST_ENTRY = 8 + 4 + 1
const LEAST_TENSOR = 8 + 4 + 8 + 4 + 8

/**
 * Reads version, metadata and tensor infos. Reads the file front to back and little more than the header.
 * @throws UnsupportedError for GGUF version 1, versions after 3 and big-endian files.
 * @throws FormatError for what is no sound GGUF file; `GGUF_TRUNCATED` where the file is too short for what it claims.
 */
export async function readGguf(source: Source, signal?: AbortSignal): Promise<Gguf> {
  const cursor = new Cursor(source, signal)
  const version = await readVersion(cursor, source.name)
  await cursor.need(16)
  const tensorCount = cursor.uint64()
  const entryCount = cursor.uint64()
  checkCount(cursor, 'metadata entries', entryCount, LEAST_ENTRY)
  checkCount(cursor, 'tensors', tensorCount, LEAST_TENSOR)
  const { metadata, entries } = await readMetadata(cursor, entryCount)
  const alignment = readAlignment(metadata)
  const infos = await readTensorInfos(cursor, tensorCount)
  const headerEnd = cursor.position
  // A file without tensors need not be padded.
  const dataOffset = Math.min(align(headerEnd, alignment), tensorCount === 0 ? source.size : Infinity)
  const tensors = placeTensors(infos, dataOffset, alignment, source)
  return { version, metadata, entries, tensors, dataOffset, fileBytes: source.size }
}

async function readVersion(cursor: Cursor, file: string): Promise<number> {
  const length = Math.min(4, cursor.rest)
  await cursor.need(length)
  const view = cursor.take(length)
  const start = String.fromCharCode(...Array.from({ length }, (_, i) => view.getUint8(i)))
  if (!'GGUF'.startsWith(start)) {
    const more = Math.min(5, cursor.rest)
    await cursor.need(more)
    const next = cursor.take(more)
    const isSafetensors = more === 5 && next.getUint32(0, true) === 0 && next.getUint8(4) === 0x7b
    const what = isSafetensors
      ? 'it is a safetensors file; convert its folder with `cria convert`.'
      : describeStart(start)
    throw new FormatError('GGUF_MAGIC', `${file} is not a GGUF file: ${what}`, start)
  }
  await cursor.need(4)
  const version = cursor.uint32()
  if (version === 2 || version === 3) return version
  if ((version & 0xffff) === 0 && version !== 0) {
    throw new UnsupportedError(
      'GGUF_BIG_ENDIAN',
      `${file} is a big-endian GGUF file; cria reads little-endian ones only: convert the model for those.`,
      version,
    )
  }
  throw new UnsupportedError(
    'GGUF_VERSION',
    `${file} is a GGUF file of version ${version}; cria reads versions 2 and 3: ` +
      (version === 1 ? 'convert the model again with a current program.' : 'update cria, or convert the model again.'),
    version,
  )
}

/** What files begin with, as Latin-1, that are brought in the place of a GGUF file. */
const STARTS: readonly (readonly [starts: readonly string[], what: string])[] = [
  [['vers'], 'it seems to be a Git LFS pointer; fetch the file itself with `git lfs pull`.'],
  [['<', '{'], 'it seems to be a web page; use the link to the file itself.'],
  [['PK', '\x80'], 'it seems to be a zip archive or a PyTorch checkpoint; convert it to GGUF first.'],
  [['lmgg', 'fmgg', 'tjgg', 'algg'], 'it is in an older GGML format; convert it to GGUF.'],
  [['24ka'], 'it is a llama2.c checkpoint; convert it with `cria convert`.'],
  [['\x1f\x8b', '7z', 'Rar!', '(\xb5/\xfd'], 'it is compressed; unpack it first.'],
]

function describeStart(start: string): string {
  const known = STARTS.find(([starts]) => starts.some((one) => start.trimStart().startsWith(one)))
  return known?.[1] ?? `it begins with ${JSON.stringify(start)} in the place of GGUF; download it again.`
}

/** Refuses a count whose items, at their smallest, do not fit in the rest of the file, or are too many to be true. */
function checkCount(cursor: Cursor, what: string, count: number, leastBytes: number): void {
  if (count * leastBytes > cursor.rest) throw cursor.truncated(count * leastBytes, `${cursor.section} (${what})`)
  cursor.objects += count
  if (cursor.objects > MAX_OBJECTS) {
    throw new FormatError(
      'GGUF_COUNT',
      `${cursor.section} claims ${count} ${what}; more than ${MAX_OBJECTS} are not believed: the file is damaged.`,
      count,
    )
  }
}

async function readMetadata(
  cursor: Cursor,
  count: number,
): Promise<{ metadata: Metadata; entries: Map<string, [number, number]> }> {
  const metadata = new Map<string, MetadataValue>()
  const entries = new Map<string, [number, number]>()
  for (let i = 0; i < count; i++) {
    cursor.section = `metadata entry ${i + 1} of ${count}`
    const start = cursor.position
    const key = await cursor.string()
    if (metadata.has(key)) {
      throw new FormatError('GGUF_DUPLICATE_KEY', `The metadata key ${quote(key)} occurs twice.`, key)
    }
    cursor.section = `metadata key ${quote(key)}`
    await cursor.need(4)
    metadata.set(key, await readValue(cursor, cursor.uint32()))
    entries.set(key, [start, cursor.position])
  }
  return { metadata, entries }
}

async function readValue(cursor: Cursor, type: number): Promise<MetadataValue> {
  if (type === STRING) return cursor.string()
  if (type === ARRAY) return readArray(cursor, 1)
  const name = NUMERIC_NAMES.get(type)
  if (name === undefined) throw unknownType(cursor, type)
  await cursor.need(NUMERIC_TYPES[name].bytes)
  return readScalar(cursor, name)
}

function readScalar(cursor: Cursor, type: NumericType): number | bigint | boolean {
  const view = cursor.take(NUMERIC_TYPES[type].bytes)
  switch (type) {
    case 'uint8':
      return view.getUint8(0)
    case 'int8':
      return view.getInt8(0)
    case 'uint16':
      return view.getUint16(0, true)
    case 'int16':
      return view.getInt16(0, true)
    case 'uint32':
      return view.getUint32(0, true)
    case 'int32':
      return view.getInt32(0, true)
    case 'float32':
      return view.getFloat32(0, true)
    case 'float64':
      return view.getFloat64(0, true)
    case 'uint64':
      return simplify(view.getBigUint64(0, true))
    case 'int64':
      return simplify(view.getBigInt64(0, true))
    case 'bool':
      return checkBooleans(cursor, [view.getUint8(0)])[0] === 1
  }
}

function simplify(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function checkBooleans<T extends ArrayLike<number>>(cursor: Cursor, values: T): T {
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > 1) {
      throw new FormatError(
        'GGUF_BOOLEAN',
        `${cursor.section} has a boolean that is ${values[i]}, not 0 or 1.`,
        values[i],
      )
    }
  }
  return values
}

function unknownType(cursor: Cursor, type: number): FormatError {
  return new FormatError(
    'GGUF_VALUE_TYPE',
    `${cursor.section} has a value of type ${type}, which GGUF does not define: the file is damaged.`,
    type,
  )
}

/** An array: u32 value type | u64 count | values. */
async function readArray(cursor: Cursor, depth: number): Promise<MetadataArray> {
  if (depth > MAX_NESTING) {
    throw new FormatError(
      'GGUF_NESTING',
      `${cursor.section} nests arrays more than ${MAX_NESTING} deep: the file is damaged.`,
      depth,
    )
  }
  await cursor.need(12)
  const type = cursor.uint32()
  const count = cursor.uint64()
  if (type === STRING) return readStrings(cursor, count)
  if (type === ARRAY) {
    checkCount(cursor, 'arrays', count, 12)
    const arrays: MetadataArray[] = []
    for (let i = 0; i < count; i++) arrays.push(await readArray(cursor, depth + 1))
    return arrays
  }
  const name = NUMERIC_NAMES.get(type)
  if (name === undefined) throw unknownType(cursor, type)
  const { bytes, array: TypedArray } = NUMERIC_TYPES[name]
  if (count * bytes > cursor.rest) throw cursor.truncated(count * bytes)
  if (count * bytes > MAX_ARRAY_BYTES) {
    throw new FormatError(
      'GGUF_COUNT',
      `${cursor.section} claims an array of ${count * bytes} bytes; more than ${MAX_ARRAY_BYTES} are not believed: ` +
        'the file is damaged.',
      count,
    )
  }
  const values = new TypedArray(count)
  await cursor.copy(new Uint8Array(values.buffer))
  return name === 'bool' ? checkBooleans(cursor, values as Uint8Array) : values
}

async function readStrings(cursor: Cursor, count: number): Promise<string[]> {
  checkCount(cursor, 'strings', count, 8)
  return cursor.strings(count)
}

function readAlignment(metadata: Metadata): number {
  const alignment = getNumber(metadata, 'general.alignment', 32)
  if (isAlignment(alignment)) return alignment
  throw new FormatError(
    'GGUF_ALIGNMENT',
    `general.alignment is ${alignment}; it must be a power of two, at most ${MAX_ALIGNMENT}.`,
    alignment,
  )
}

/** Infos with offsets as they stand in the file: from the start of the data. */
async function readTensorInfos(cursor: Cursor, count: number): Promise<TensorInfo[]> {
  const infos: TensorInfo[] = []
  for (let i = 0; i < count; i++) {
    cursor.section = `tensor info ${i + 1} of ${count}`
    const name = await cursor.string()
    const what = `Tensor ${quote(name)}`
    cursor.section = `the info of tensor ${quote(name)}`
    await cursor.need(4)
    const rank = cursor.uint32()
    if (rank < 1 || rank > 4) {
      throw new FormatError('GGUF_DIMENSIONS', `${what} has ${rank} dimensions; GGUF tensors have 1 to 4.`, rank)
    }
    await cursor.need(8 * rank + 12)
    const dimensions = Array.from({ length: rank }, () => cursor.uint64())
    const id = cursor.uint32()
    const offset = cursor.uint64()
    const type = ggmlType(id)
    elementCount(dimensions, what)
    const bytes = type ? tensorBytes(type, dimensions, what) : 0
    infos.push({ name, dimensions, type: type?.name ?? `type ${id}`, offset, bytes })
  }
  return infos
}

/** Turns offsets into offsets from the start of the file, and makes sure that tensors have the bytes to themselves. */
function placeTensors(
  infos: readonly TensorInfo[],
  dataOffset: number,
  alignment: number,
  source: Source,
): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>()
  for (const info of infos) {
    const name = quote(info.name)
    if (tensors.has(info.name)) {
      throw new FormatError('GGUF_DUPLICATE_TENSOR', `The tensor name ${name} occurs twice.`, info.name)
    }
    const offset = dataOffset + info.offset
    if (offset + info.bytes > source.size) {
      throw truncated(source.name, `tensor ${name}`, info.bytes, Math.max(0, source.size - offset))
    }
    if (info.offset % alignment !== 0) {
      throw new FormatError(
        'GGUF_OFFSET',
        `Tensor ${name} is at offset ${info.offset}, which is no multiple of the alignment ${alignment}.`,
        info.offset,
      )
    }
    tensors.set(info.name, { ...info, offset })
  }
  checkOverlaps([...tensors.values()])
  return tensors
}

/** Tensors of unknown types have no known bytes and are left out. */
function checkOverlaps(tensors: TensorInfo[]): void {
  const sized = tensors.filter((tensor) => tensor.bytes > 0).sort((a, b) => a.offset - b.offset)
  for (let i = 1; i < sized.length; i++) {
    const before = sized[i - 1]!
    const after = sized[i]!
    if (before.offset + before.bytes > after.offset) {
      throw new FormatError(
        'GGUF_OVERLAP',
        `The tensors ${quote(before.name)} and ${quote(after.name)} overlap: the file is damaged.`,
        [before.name, after.name],
      )
    }
  }
}

function align(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment
}

/** A name for an error message, cut where a damaged file makes it endless. */
function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}
