/**
 * The header of a safetensors file, trusting nothing in it.
 *
 *     u64 bytes of the header | header, JSON | data
 *     header: { "name": { "dtype": "F32", "shape": [rows, columns], "data_offsets": [begin, end] }, "__metadata__": … }
 *
 * Offsets count from the start of the data; tensors fill it without holes or overlaps. Source: the format's description in
 * huggingface/safetensors.
 */
import { FormatError, UnsupportedError } from '../errors.ts'
import type { Source } from '../source/types.ts'

export interface SafetensorsTensor {
  readonly name: string
  /** `F32`, `BF16`, `I64` … */
  readonly dtype: string
  /** Slowest first: a matrix of R rows and C columns is [R, C]. */
  readonly shape: readonly number[]
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly bytes: number
  readonly source: Source
}

/** As the format's own reader has it. */
const MOST_HEADER = 100_000_000
const MOST_DIMENSIONS = 8

const DTYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
}

/**
 * The tensors of a file, by name.
 * @throws FormatError SAFETENSORS_TRUNCATED where the file is shorter or longer than its header says, SAFETENSORS_HEADER for
 *   a header that is malformed, SAFETENSORS_OFFSETS where offsets, shapes and types contradict each other; UnsupportedError
 *   SAFETENSORS_DTYPE for unknown types; AbortError
 */
export async function readSafetensors(source: Source, signal?: AbortSignal): Promise<Map<string, SafetensorsTensor>> {
  const header = await readHeader(source, signal)
  const start = 8 + header.length
  const tensors: SafetensorsTensor[] = []
  for (const [name, info] of Object.entries(parseHeader(source, header))) {
    if (name !== '__metadata__') tensors.push(readInfo(source, name, info, start))
  }
  checkLayout(source, tensors, start)
  return new Map(tensors.map((tensor) => [tensor.name, tensor]))
}

async function readHeader(source: Source, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (source.size < 8) throw wrongSize(source, 8)
  const length = new DataView(new ArrayBuffer(8))
  await source.read(new Uint8Array(length.buffer), 0, signal)
  const bytes = length.getUint32(0, true) + length.getUint32(4, true) * 4294967296
  if (bytes > MOST_HEADER) {
    throw malformed(source, `claims a header of ${bytes} bytes; more than ${MOST_HEADER} are not believed`, bytes)
  }
  if (8 + bytes > source.size) throw wrongSize(source, 8 + bytes)
  const header = new Uint8Array(bytes)
  await source.read(header, 8, signal)
  return header
}

function parseHeader(source: Source, header: Uint8Array): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header))
  } catch (cause) {
    const message = `${source.name} has a header that is no JSON: it is no safetensors file, or is damaged. Download it again.`
    throw new FormatError('SAFETENSORS_HEADER', message, source.name, { cause })
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  throw malformed(source, 'has a header that is no JSON object', source.name)
}

function readInfo(source: Source, name: string, info: unknown, start: number): SafetensorsTensor {
  const { dtype, shape, data_offsets: offsets } = (info ?? {}) as Record<string, unknown>
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
  const sound =
    typeof dtype === 'string' &&
    Array.isArray(shape) &&
    shape.length <= MOST_DIMENSIONS &&
    shape.every(isCount) &&
    Array.isArray(offsets) &&
    offsets.length === 2 &&
    offsets.every(isCount)
  if (!sound)
    throw malformed(source, `describes the tensor ${quote(name)} without a sound dtype, shape and data_offsets`, name)
  const size = DTYPE_BYTES[dtype]
  if (size === undefined) {
    const message = `${source.name}: the tensor ${quote(name)} is of type ${dtype}, which cria does not know. Save the model as F32, F16 or BF16.`
    throw new UnsupportedError('SAFETENSORS_DTYPE', message, dtype)
  }
  const [begin, end] = offsets as [number, number]
  const bytes = (shape as number[]).reduce((product, dimension) => product * dimension, size)
  if (end - begin !== bytes) {
    const message = `${source.name}: the tensor ${quote(name)} takes ${bytes} bytes as ${dtype} of shape [${shape.join(', ')}], but its data_offsets [${begin}, ${end}] hold ${end - begin}. The header is wrong: download the file again.`
    throw new FormatError('SAFETENSORS_OFFSETS', message, name)
  }
  return { name, dtype, shape: shape as number[], offset: start + begin, bytes, source }
}

/** Tensors follow one another from the start of the data to the end of the file. */
function checkLayout(source: Source, tensors: readonly SafetensorsTensor[], start: number): void {
  let position = start
  for (const { name, offset, bytes } of [...tensors].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset !== position) {
      const what = offset < position ? 'overlaps the one before it' : 'leaves a hole before it'
      const message = `${source.name}: the tensor ${quote(name)} ${what} (data_offsets). The header is wrong: download the file again.`
      throw new FormatError('SAFETENSORS_OFFSETS', message, name)
    }
    position += bytes
  }
  if (position !== source.size) throw wrongSize(source, position)
}

function wrongSize(source: Source, needed: number): FormatError {
  const message = `${source.name} has ${source.size} bytes where its header says ${needed}: it was cut short, or is no safetensors file. Download it again.`
  return new FormatError('SAFETENSORS_TRUNCATED', message, { needed, available: source.size })
}

function malformed(source: Source, problem: string, value: unknown): FormatError {
  const message = `${source.name} ${problem}: it is no safetensors file, or is damaged. Download it again.`
  return new FormatError('SAFETENSORS_HEADER', message, value)
}

/** A name for an error message, cut where a damaged file makes it endless. */
function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}
