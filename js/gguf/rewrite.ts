/** GGUF files made of others: split, merged, with a metadata value changed. What is not changed is copied bit by bit. */
import { ArgumentError, UnsupportedError } from '../errors.ts'
import type { Source } from '../source/types.ts'
import type { Gguf, MetadataValue, TensorInfo } from './types.ts'
import { ARRAY, NUMERIC_NAMES, type ScalarType, STRING } from './value-types.ts'
import { type MetadataEntry, type RawEntry, type ScalarValue, type TensorEntry, writeGguf } from './writer.ts'

/** Bytes of a tensor read at once. */
const PIECE = 4 * 1024 * 1024
/** Of models in shards; llama.cpp's names. */
export const SPLIT_KEYS = ['split.no', 'split.count', 'split.tensors.count']
const DEFAULT_ALIGNMENT = 32

/** A metadata entry as it stands in the file, and its type there. */
export interface StoredEntry extends RawEntry {
  readonly value: MetadataValue
  readonly type: ScalarType | 'array'
  /** Of an array: the type of its values. */
  readonly of?: ScalarType | 'array'
}

/** Reads the metadata entries with their types. */
export async function readEntries(source: Source, gguf: Gguf, signal?: AbortSignal): Promise<StoredEntry[]> {
  const ranges = [...gguf.entries.values()]
  const start = ranges[0]?.[0] ?? 0
  const bytes = new Uint8Array((ranges.at(-1)?.[1] ?? start) - start)
  await source.read(bytes, start, signal)
  return Array.from(gguf.entries, ([key, [from, to]]) => {
    const raw = bytes.subarray(from - start, to - start)
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
    // u64 length of the key | key | u32 type | of an array: u32 type of its values
    const at = 8 + view.getUint32(0, true)
    const type = typeName(view.getUint32(at, true))
    const of = type === 'array' ? typeName(view.getUint32(at + 4, true)) : undefined
    return { key, raw, value: gguf.metadata.get(key)!, type, ...(of && { of }) }
  })
}

function typeName(id: number): ScalarType | 'array' {
  return id === STRING ? 'string' : id === ARRAY ? 'array' : NUMERIC_NAMES.get(id)!
}

/** For the writer, which must read the alignment. */
export function writable(entry: StoredEntry): MetadataEntry | RawEntry {
  const { key, value } = entry
  return key === 'general.alignment' ? { key, type: 'uint32', value: value as number } : entry
}

function copied(
  source: Source,
  { name, dimensions, type, offset, bytes }: TensorInfo,
  signal?: AbortSignal,
): TensorEntry {
  return {
    name,
    dimensions,
    type,
    async *data() {
      for (let done = 0; done < bytes; done += PIECE) {
        const piece = new Uint8Array(Math.min(PIECE, bytes - done))
        await source.read(piece, offset + done, signal)
        yield piece
      }
    },
  }
}

/** The tensors in the file's order. @throws UnsupportedError for types whose size is not known */
function sizedTensors(gguf: Gguf): TensorInfo[] {
  const tensors = [...gguf.tensors.values()]
  const unknown = tensors.find(({ bytes }) => bytes === 0)
  if (unknown === undefined) return tensors
  const message = `The tensor ${unknown.name} is of ${unknown.type}, whose size cria does not know: it cannot be copied.`
  throw new UnsupportedError('TENSOR_TYPE', message, unknown.type)
}

/**
 * A file, or a model in shards, as one file: without the keys of shards.
 * @throws UnsupportedError for tensors whose size is not known; SourceError, AbortError
 */
export async function* mergeGguf(source: Source, gguf: Gguf, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const tensors = sizedTensors(gguf).map((tensor) => copied(source, tensor, signal))
  const entries = (await readEntries(source, gguf, signal)).filter(({ key }) => !SPLIT_KEYS.includes(key))
  yield* writeGguf(entries.map(writable), tensors)
}

export interface SplitOptions {
  /** Most tensors of a shard; default 128. */
  maxTensors?: number
  /** Most bytes of a shard's tensors, each padded to 32. Not beside `maxTensors`. */
  maxBytes?: number
  /** The first shard has the metadata alone. */
  noTensorFirst?: boolean
  signal?: AbortSignal
}

export interface Shard {
  readonly tensors: readonly TensorInfo[]
  chunks(): AsyncGenerator<Uint8Array>
}

const MOST_SHARDS = 65535
const DEFAULT_TENSORS = 128

/**
 * The shards of a model, as llama-gguf-split cuts them: all metadata in the first, and in each split.no,
 * split.tensors.count and split.count.
 * @throws ArgumentError for options out of range, or a size that the first tensor is beyond; UnsupportedError for tensors
 *   whose size is not known
 */
export async function splitGguf(source: Source, gguf: Gguf, options: SplitOptions): Promise<Shard[]> {
  const { signal } = options
  const tensors = sizedTensors(gguf)
  const groups = groupTensors(tensors, options)
  if (groups.length > MOST_SHARDS) {
    throw new ArgumentError(
      'SPLIT_SIZE',
      `That makes ${groups.length} shards; at most ${MOST_SHARDS} can be.`,
      groups.length,
    )
  }
  const entries = (await readEntries(source, gguf, signal)).filter(({ key }) => !SPLIT_KEYS.includes(key))
  return groups.map((group, no) => ({
    tensors: group,
    chunks: () =>
      writeGguf(
        [
          ...(no === 0 ? entries.map(writable) : []),
          { key: 'split.no', type: 'uint16', value: no },
          { key: 'split.tensors.count', type: 'int32', value: tensors.length },
          { key: 'split.count', type: 'uint16', value: groups.length },
        ],
        group.map((tensor) => copied(source, tensor, signal)),
      ),
  }))
}

function groupTensors(tensors: readonly TensorInfo[], options: SplitOptions): TensorInfo[][] {
  const { maxBytes, maxTensors = DEFAULT_TENSORS } = options
  if (maxBytes !== undefined && options.maxTensors !== undefined) {
    throw new ArgumentError('SPLIT_SIZE', 'A shard is bounded by its tensors or by its size, not by both.', maxBytes)
  }
  for (const bound of [maxBytes ?? 1, maxTensors]) {
    if (Number.isSafeInteger(bound) && bound >= 1) continue
    throw new ArgumentError(
      'SPLIT_SIZE',
      `A shard cannot be bounded by ${bound}; give a whole number of at least 1.`,
      bound,
    )
  }
  const groups: TensorInfo[][] = [[]]
  let size = 0
  for (const tensor of tensors) {
    const last = groups[groups.length - 1]!
    const bytes = Math.ceil(tensor.bytes / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT
    const full = maxBytes === undefined ? last.length === maxTensors : size + bytes > maxBytes
    if (full && last.length === 0) {
      const message = `The first tensor, ${tensor.name}, takes ${bytes} bytes, more than a shard may have (${maxBytes}).`
      throw new ArgumentError('SPLIT_SIZE', message, maxBytes)
    }
    if (full) {
      groups.push([tensor])
      size = bytes
    } else {
      last.push(tensor)
      size += bytes
    }
  }
  return options.noTensorFirst ? [[], ...groups] : groups
}

/** `PREFIX-00001-of-00003.gguf` for shard 0 of 3, as llama-gguf-split has it. */
export function shardName(prefix: string, no: number, count: number): string {
  const number = (value: number) => String(value).padStart(5, '0')
  return `${prefix}-${number(no + 1)}-of-${number(count)}.gguf`
}

export interface SetOptions {
  /** The type of a key that the file has not; a present one keeps its type. */
  type?: ScalarType
  signal?: AbortSignal
}

/**
 * The file with one metadata value changed, or added at the end of the metadata where `type` says of what type it is.
 * @param text the value as typed: a number, `true` or `false`, or a string as it is
 * @throws ArgumentError METADATA_KEY for a key that the file has not and no type is given for, METADATA_TYPE for arrays and
 *   for another type than the key's, METADATA_VALUE for a value that does not fit; UnsupportedError for tensors whose size is
 *   not known
 */
export async function* setMetadata(
  source: Source,
  gguf: Gguf,
  key: string,
  text: string,
  options: SetOptions = {},
): AsyncGenerator<Uint8Array> {
  const { signal } = options
  const tensors = sizedTensors(gguf).map((tensor) => copied(source, tensor, signal))
  const entries = await readEntries(source, gguf, signal)
  const present = entries.find((entry) => entry.key === key)
  const type = typeToSet(key, present, options.type)
  const changed: MetadataEntry = { key, type, value: parseValue(key, text, type) }
  const kept = entries.map((entry) => (entry === present ? changed : writable(entry)))
  yield* writeGguf(present ? kept : [...kept, changed], tensors)
}

function typeToSet(key: string, present: StoredEntry | undefined, given: ScalarType | undefined): ScalarType {
  if (!present) {
    if (given) return given
    const message = `The file has no metadata key ${key}; check its spelling, or give the type to add it with (--type).`
    throw new ArgumentError('METADATA_KEY', message, key)
  }
  if (present.type === 'array') {
    throw new ArgumentError('METADATA_TYPE', `${key} is an array; only single values can be set.`, key)
  }
  if (given === undefined || given === present.type) return present.type
  throw new ArgumentError('METADATA_TYPE', `${key} is of type ${present.type} and keeps it; leave ${given} out.`, given)
}

function parseValue(key: string, text: string, type: ScalarType): ScalarValue {
  if (type === 'string') return text
  const isFloat = type === 'float32' || type === 'float64'
  if (type === 'bool' && /^(true|false|0|1)$/.test(text)) return text === 'true' || text === '1'
  const number = isFloat && /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : Number.NaN
  if (Number.isFinite(type === 'float32' ? Math.fround(number) : number)) return number
  if (!isFloat && type !== 'bool' && /^[-+]?\d+$/.test(text)) return BigInt(text)
  const message = `${JSON.stringify(text)} is no value for ${key}, which is of type ${type}.`
  throw new ArgumentError('METADATA_VALUE', message, text)
}
