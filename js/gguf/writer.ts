/** Writes GGUF version 3 as a stream of chunks: header first, then each tensor's data as it is asked for. */
import { ArgumentError } from '../errors.ts'
import { GGML_TYPES, type GgmlType, tensorBytes } from './ggml-types.ts'
import {
  ARRAY,
  isAlignment,
  MAX_ALIGNMENT,
  NUMERIC_TYPES,
  type NumericType,
  type ScalarType,
  STRING,
} from './value-types.ts'

export type { ScalarType }

export type ScalarValue = number | bigint | boolean | string

/** A metadata entry with GGUF's type for its value, or for the values of an array. */
export type MetadataEntry =
  | { readonly key: string; readonly type: ScalarType; readonly value: ScalarValue }
  | { readonly key: string; readonly type: 'array'; readonly of: ScalarType; readonly value: ArrayLike<ScalarValue> }

/** An entry as it stands in a file, from its key on. */
export interface RawEntry {
  readonly key: string
  readonly raw: Uint8Array
}

export interface TensorEntry {
  readonly name: string
  /** Fastest first: a matrix of R rows and C columns is [C, R]. */
  readonly dimensions: readonly number[]
  /** ggml_type's name: `F32`, `F16` … */
  readonly type: string
  /** The tensor's bytes, in chunks of any size; called once, when its turn comes. */
  data(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * Chunks of a GGUF file with this metadata and these tensors, in this order.
 * The alignment is the metadata's `general.alignment`, 32 by default; it must not be raw.
 * @throws ArgumentError for duplicate names, unknown types, values that do not fit their type, and a tensor whose data
 *   has more or fewer bytes than its dimensions say; FormatError for impossible dimensions.
 */
export async function* writeGguf(
  metadata: readonly (MetadataEntry | RawEntry)[],
  tensors: readonly TensorEntry[],
): AsyncGenerator<Uint8Array> {
  checkUnique(
    'metadata key',
    metadata.map((entry) => entry.key),
  )
  checkUnique(
    'tensor name',
    tensors.map((tensor) => tensor.name),
  )
  const aligned = metadata.find((entry) => entry.key === 'general.alignment')
  const alignment = aligned === undefined ? 32 : 'raw' in aligned ? Number.NaN : Number(aligned.value)
  if (!isAlignment(alignment)) {
    const message = `general.alignment must be a power of two, at most ${MAX_ALIGNMENT}, not ${alignment}.`
    throw new ArgumentError('ALIGNMENT', message, alignment)
  }
  const header = writeHeader(metadata, tensors, alignment)
  yield header
  yield padding(header.length, alignment)
  for (const tensor of tensors) {
    const bytes = tensorBytes(typeOf(tensor), tensor.dimensions, tensor.name)
    let written = 0
    for await (const chunk of tensor.data()) {
      written += chunk.length
      yield chunk
    }
    if (written !== bytes) {
      throw new ArgumentError(
        'TENSOR_BYTES',
        `${tensor.name} takes ${bytes} bytes, but its data had ${written}.`,
        written,
      )
    }
    yield padding(bytes, alignment)
  }
}

function writeHeader(
  metadata: readonly (MetadataEntry | RawEntry)[],
  tensors: readonly TensorEntry[],
  alignment: number,
): Uint8Array {
  const out = new Writer()
  out.bytes(new TextEncoder().encode('GGUF'))
  out.number('uint32', 3)
  out.number('uint64', tensors.length)
  out.number('uint64', metadata.length)
  for (const entry of metadata) {
    if ('raw' in entry) out.bytes(entry.raw)
    else writeEntry(out, entry)
  }
  let offset = 0
  for (const tensor of tensors) {
    const type = typeOf(tensor)
    out.string(tensor.name)
    out.number('uint32', tensor.dimensions.length)
    for (const dimension of tensor.dimensions) out.number('uint64', dimension)
    out.number('uint32', type.id)
    out.number('uint64', offset)
    const bytes = tensorBytes(type, tensor.dimensions, tensor.name)
    offset += bytes + padding(bytes, alignment).length
  }
  return out.finish()
}

function writeEntry(out: Writer, entry: MetadataEntry): void {
  out.string(entry.key)
  if (entry.type === 'array') {
    out.number('uint32', ARRAY)
    out.number('uint32', typeId(entry.of))
    out.number('uint64', entry.value.length)
    for (let i = 0; i < entry.value.length; i++) out.value(entry.of, entry.value[i]!, entry.key)
  } else {
    out.number('uint32', typeId(entry.type))
    out.value(entry.type, entry.value, entry.key)
  }
}

function typeId(type: ScalarType): number {
  return type === 'string' ? STRING : NUMERIC_TYPES[type].id
}

function typeOf(tensor: TensorEntry): GgmlType {
  const type = GGML_TYPES.get(tensor.type)
  if (type) return type
  throw new ArgumentError(
    'TENSOR_TYPE',
    `${tensor.name} has the type ${tensor.type}, which ggml does not know.`,
    tensor.type,
  )
}

function checkUnique(what: string, names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw new ArgumentError('DUPLICATE', `The ${what} ${name} is given twice.`, name)
    seen.add(name)
  }
}

function padding(bytes: number, alignment: number): Uint8Array {
  return new Uint8Array((alignment - (bytes % alignment)) % alignment)
}

/** A buffer that grows. */
class Writer {
  #buffer = new Uint8Array(1 << 16)
  #view = new DataView(this.#buffer.buffer)
  #length = 0

  value(type: ScalarType, value: ScalarValue, key: string): void {
    if (type === 'string') {
      if (typeof value !== 'string') throw unfit(type, value, key)
      this.string(value)
    } else {
      if (!fits(type, value)) throw unfit(type, value, key)
      this.number(type, value)
    }
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.number('uint64', bytes.length)
    this.bytes(bytes)
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  number(type: NumericType, value: number | bigint | boolean): void {
    const { bytes } = NUMERIC_TYPES[type]
    this.#reserve(bytes)
    if (type === 'float32') this.#view.setFloat32(this.#length, Number(value), true)
    else if (type === 'float64') this.#view.setFloat64(this.#length, Number(value), true)
    else if (bytes === 8) this.#view.setBigInt64(this.#length, BigInt(value), true)
    else if (bytes === 4) this.#view.setUint32(this.#length, Number(value), true)
    else if (bytes === 2) this.#view.setUint16(this.#length, Number(value), true)
    else this.#view.setUint8(this.#length, Number(value))
    this.#length += bytes
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length + bytes))
    larger.set(this.#buffer)
    this.#buffer = larger
    this.#view = new DataView(larger.buffer)
  }
}

/** Whether the value can be written as this type without losing anything but a float's last bits. */
function fits(type: NumericType, value: ScalarValue): value is number | bigint | boolean {
  if (type === 'bool') return typeof value === 'boolean' || value === 0 || value === 1
  if (typeof value === 'string' || typeof value === 'boolean') return false
  if (type === 'float32' || type === 'float64') return typeof value === 'number'
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return false
  const bits = 8 * NUMERIC_TYPES[type].bytes
  const whole = BigInt(value)
  return whole === (type.startsWith('u') ? BigInt.asUintN(bits, whole) : BigInt.asIntN(bits, whole))
}

function unfit(type: ScalarType, value: ScalarValue, key: string): ArgumentError {
  return new ArgumentError('METADATA_VALUE', `The metadata key ${key} cannot hold ${String(value)} as ${type}.`, value)
}
