/** What a quantized file will hold: its metadata and, tensor by tensor, from which type to which. */
import { ArgumentError, UnsupportedError } from '../errors.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import { readEntries, SPLIT_KEYS, writable } from '../gguf/rewrite.ts'
import type { Gguf, TensorInfo } from '../gguf/types.ts'
import type { MetadataEntry, RawEntry } from '../gguf/writer.ts'
import type { Imatrix } from '../imatrix/reader.ts'
import { findTensors, readConfig } from '../models/index.ts'
import type { Source } from '../source/types.ts'
import type { FileType } from './file-types.ts'
import { type Choice, chooseTypes, inFileOrder, type MixOptions } from './mixes.ts'
import { RowQuantizer } from './row-quantizer.ts'
import type { QuantizeOverrides, TypedValue } from './types.ts'

export interface PlannedTensor extends TensorInfo {
  /** ggml's name of the type it becomes; the same where it is copied. */
  readonly to: string
  /** The type that was meant, where the columns do not fit it. */
  readonly instead?: string
  /** f32 [experts, columns]. */
  readonly importance?: Float32Array
}

/** GGML_QNT_VERSION of ggml.h. */
const QUANTIZATION_VERSION = 2
/** Columns of a row that is held as a whole. */
const MOST_COLUMNS = 1 << 26

export interface TensorPlanOptions extends Omit<MixOptions, 'importance'> {
  allowRequantize: boolean
  /** The file's own order, in place of llama.cpp's. */
  keepOrder: boolean
  imatrix?: Imatrix
}

/**
 * The tensors in llama.cpp's order, with the types that they become.
 * @throws FormatError for tensors that are missing or of another shape; UnsupportedError for models that cria does not know
 *   and types that cannot be read; ArgumentError for what the options forbid, or ask for in vain.
 */
export function planTensors(gguf: Gguf, file: FileType, options: TensorPlanOptions): PlannedTensor[] {
  const config = readConfig(gguf)
  findTensors(withoutTypes(gguf), config)
  const { imatrix } = options
  const all = [...gguf.tensors.values()]
  const tensors = options.keepOrder ? all.sort((a, b) => a.offset - b.offset) : inFileOrder(all)
  const choices = chooseTypes(tensors, config, file, { ...options, importance: imatrix !== undefined })
  return tensors.map((tensor, i) => planTensor(tensor, choices[i]!, file, options))
}

function planTensor(tensor: TensorInfo, choice: Choice, file: FileType, options: TensorPlanOptions): PlannedTensor {
  const { name, type, dimensions } = tensor
  const trimmed = [...dimensions]
  while (trimmed.length > 1 && trimmed.at(-1) === 1) trimmed.pop()
  const plan = { ...tensor, dimensions: trimmed, to: choice.type, ...(choice.instead && { instead: choice.instead }) }
  if (type === choice.type) return plan
  if (!RowQuantizer.types.includes(type)) {
    const message = `The tensor ${name} is of type ${type}, which cria cannot turn into ${choice.type}. Start from a file in F32, F16 or BF16.`
    throw new UnsupportedError('TENSOR_TYPE', message, type)
  }
  if (GGML_TYPES.get(type)!.blockColumns > 1 && !options.allowRequantize) {
    const message = `The tensor ${name} is quantized already, to ${type}; quantizing it again adds to its error. Start from a file in F32, F16 or BF16, or allow it (allowRequantize, --allow-requantize).`
    throw new ArgumentError('REQUANTIZE', message, name)
  }
  if (dimensions[0]! > MOST_COLUMNS) {
    const message = `The tensor ${name} has rows of ${dimensions[0]} columns; at most ${MOST_COLUMNS} can be quantized.`
    throw new UnsupportedError('TENSOR_ROWS', message, dimensions[0])
  }
  const importance = importanceOf(tensor, options.imatrix)
  if (importance) return { ...plan, importance }
  if (file.name === 'Q2_K_S' && choice.type === 'Q2_K' && name !== 'token_embd.weight' && name !== 'output.weight') {
    const message = `Q2_K_S needs the importance of ${name}: give an importance matrix that has it (imatrix, --imatrix), or choose Q2_K.`
    throw new ArgumentError('IMATRIX_NEEDED', message, name)
  }
  return plan
}

/** Absent for tensors that were not measured, and for an embedding of which only the output side was. */
function importanceOf({ name, dimensions }: TensorInfo, imatrix: Imatrix | undefined): Float32Array | undefined {
  const values = imatrix?.entries.get(name)
  if (values === undefined) return undefined
  const expected = dimensions[0]! * (dimensions[2] ?? 1)
  if (values.length === expected) return values
  if (name === 'token_embd.weight') return undefined
  const message = `The importance matrix has ${values.length} values for ${name}, which takes ${expected}: it was made for another model.`
  throw new ArgumentError('IMATRIX_SIZE', message, name)
}

/** The file as if all its tensors were F32: a tensor that is copied, or read here, need have no kernel. */
function withoutTypes(gguf: Gguf): Gguf {
  return { ...gguf, tensors: new Map(Array.from(gguf.tensors, ([name, info]) => [name, { ...info, type: 'F32' }])) }
}

const text = (key: string, value: string): MetadataEntry => ({ key, type: 'string', value: cut(value) })
const uint32 = (key: string, value: number): MetadataEntry => ({ key, type: 'uint32', value })

/**
 * The entries of the source as they stand there, and after them those that describe the quantization or are overridden, as in
 * llama.cpp.
 */
export async function planMetadata(
  source: Source,
  gguf: Gguf,
  file: FileType,
  { imatrix, overrides = {}, signal }: MetadataOptions,
): Promise<(MetadataEntry | RawEntry)[]> {
  const entries = await readEntries(source, gguf, signal)
  const added = new Map<string, MetadataEntry>()
  const add = (entry: MetadataEntry): void => {
    added.delete(entry.key)
    added.set(entry.key, entry)
  }
  add(uint32('general.quantization_version', QUANTIZATION_VERSION))
  add(uint32('general.file_type', file.id))
  for (const [key, value] of Object.entries(overrides)) {
    add(overridden(key, value, entries.find((entry) => entry.key === key)?.type))
  }
  if (imatrix) describeImatrix(imatrix.name, imatrix.imatrix).forEach(add)
  // A model that was in shards is one file now.
  const kept = entries.filter(({ key }) => !SPLIT_KEYS.includes(key) && !added.has(key))
  return [...kept.map(writable), ...added.values()]
}

interface MetadataOptions {
  imatrix?: { name: string; imatrix: Imatrix } | undefined
  overrides?: QuantizeOverrides | undefined
  signal?: AbortSignal | undefined
}

/** As llama-quantize writes it: whole numbers as uint32, without their sign. */
function overridden(key: string, given: QuantizeOverrides[string], before: string | undefined): MetadataEntry {
  const { type, value } = typeof given === 'object' ? given : { type: typeOf(given, before), value: given }
  return { key, type, value: type === 'uint32' ? Math.abs(value as number) : value }
}

function typeOf(value: number | boolean | string, before: string | undefined): TypedValue['type'] {
  if (typeof value === 'number') return before?.startsWith('float') || !Number.isInteger(value) ? 'float32' : 'uint32'
  return typeof value === 'boolean' ? 'bool' : 'string'
}

function describeImatrix(name: string, { dataset, entries, chunks }: Imatrix): MetadataEntry[] {
  return [
    text('quantize.imatrix.file', name),
    ...(dataset === undefined ? [] : [text('quantize.imatrix.dataset', dataset)]),
    uint32('quantize.imatrix.entries_count', entries.size),
    ...(chunks > 0 ? [uint32('quantize.imatrix.chunks_count', chunks)] : []),
  ]
}

/** llama.cpp keeps 127 bytes of such texts; whole characters here. */
function cut(value: string): string {
  let bytes = 0
  let kept = ''
  for (const character of value) {
    bytes += new TextEncoder().encode(character).length
    if (bytes > 127) break
    kept += character
  }
  return kept
}
