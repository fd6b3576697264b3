/**
 * Importance matrices: for each matrix of a model, how much each input column weighs. Source of both formats: llama.cpp's
 * imatrix tool and its loader.
 *
 * GGUF: tensors NAME.in_sum2 f32 [columns, experts] and NAME.counts f32 [1, experts]; the importance is their quotient.
 * Legacy: i32 entries │ entry: i32 length, name, i32 calls, i32 values, f32 values │ i32 chunks, i32 length, dataset
 */
import { FormatError } from '../errors.ts'
import { readGguf } from '../gguf/reader.ts'
import type { Gguf } from '../gguf/types.ts'
import type { Source } from '../source/types.ts'

export interface Imatrix {
  /** By the tensor's name: f32 [experts, columns]. */
  readonly entries: ReadonlyMap<string, Float32Array>
  /** The text that it was measured on. */
  readonly dataset?: string
  /** Chunks of that text. */
  readonly chunks: number
}

/** Importance matrices hold a float a column of each matrix: a few megabytes. */
const MOST_BYTES = 1024 * 1024 * 1024

/** @throws FormatError for what is neither format, is cut short, or holds values that cannot be. */
export async function readImatrix(source: Source, signal?: AbortSignal): Promise<Imatrix> {
  if (source.size < 4 || source.size > MOST_BYTES) throw malformed(source, `it has ${source.size} bytes`)
  const bytes = new Uint8Array(source.size)
  await source.read(bytes, 0, signal)
  const magic = String.fromCharCode(...bytes.subarray(0, 4))
  const imatrix = magic === 'GGUF' ? fromGguf(source, bytes, await readGguf(source, signal)) : fromLegacy(source, bytes)
  for (const [name, values] of imatrix.entries) {
    const wrong = values.find((value) => !(Number.isFinite(value) && value >= 0))
    if (wrong !== undefined) throw malformed(source, `the importance of ${name} holds ${wrong}`)
  }
  return imatrix
}

function malformed(source: Source, what: string): FormatError {
  const message = `${source.name} is no importance matrix that can be used: ${what}. Make it again with cria imatrix.`
  return new FormatError('IMATRIX', message, source.name)
}

function fromGguf(source: Source, bytes: Uint8Array, gguf: Gguf): Imatrix {
  const { metadata, tensors } = gguf
  const entries = new Map<string, Float32Array>()
  const floats = (name: string): Float32Array => {
    const info = tensors.get(name)
    if (info?.type !== 'F32') throw malformed(source, `it has no tensor ${name} of type F32`)
    return new Float32Array(bytes.slice(info.offset, info.offset + info.bytes).buffer)
  }
  for (const tensor of tensors.keys()) {
    const name = /^(.+)\.(?:in_sum2|counts)$/.exec(tensor)?.[1]
    if (name === undefined || entries.has(name)) continue
    entries.set(name, quotients(source, name, floats(`${name}.in_sum2`), floats(`${name}.counts`)))
  }
  if (entries.size === 0) throw malformed(source, 'it has no tensors NAME.in_sum2')
  const datasets = metadata.get('imatrix.datasets')
  const chunks = metadata.get('imatrix.chunk_count')
  const dataset = Array.isArray(datasets) && typeof datasets[0] === 'string' ? datasets[0] : undefined
  return { entries, chunks: typeof chunks === 'number' ? chunks : 0, ...(dataset !== undefined && { dataset }) }
}

/** Experts that were never called count all columns alike. */
function quotients(source: Source, name: string, sums: Float32Array, counts: Float32Array): Float32Array {
  const columns = sums.length / counts.length
  if (!Number.isInteger(columns)) throw malformed(source, `${name} has ${sums.length} sums and ${counts.length} counts`)
  return sums.map((sum, i) => {
    const count = Math.fround(Math.round(counts[Math.floor(i / columns)]!))
    return count > 0 ? sum / count : 1
  })
}

function fromLegacy(source: Source, bytes: Uint8Array): Imatrix {
  const view = new DataView(bytes.buffer)
  let at = 0
  const take = (count: number, what: string): number => {
    if (count < 0 || at + count > bytes.length) throw malformed(source, `it ends early or is damaged in ${what}`)
    at += count
    return at - count
  }
  const int = (what: string): number => view.getInt32(take(4, what), true)
  const text = (what: string): string => {
    const length = int(what)
    return new TextDecoder().decode(bytes.subarray(take(length, what), at))
  }
  const count = int('its header')
  if (count < 1) throw malformed(source, `it would have ${count} entries`)
  const entries = new Map<string, Float32Array>()
  for (let i = 0; i < count; i++) {
    const name = text(`entry ${i + 1} of ${count}`)
    const calls = int(name)
    const length = int(name)
    if (length < 1) throw malformed(source, `${name} has no values`)
    const start = take(4 * length, name)
    const values = new Float32Array(bytes.slice(start, at).buffer)
    entries.set(name, calls > 0 ? values.map((value) => value / Math.fround(calls)) : values)
  }
  if (at === bytes.length) return { entries, chunks: 0 }
  const chunks = int('the number of chunks')
  const dataset = at < bytes.length ? text("the dataset's name") : ''
  return { entries, chunks, ...(dataset && { dataset }) }
}
