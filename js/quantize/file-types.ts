/** What a whole file can be quantized to. Source: llama.h, `enum llama_ftype`, and llama-quantize's list. */

import { ArgumentError } from '../errors.ts'
import { invalid } from '../util/check.ts'
import { RowQuantizer } from './row-quantizer.ts'

export interface FileType {
  /** As llama-quantize spells it. */
  readonly name: string
  /** Becomes general.file_type. */
  readonly id: number
  /** Of most matrices; ggml's name. */
  readonly type: string
}

const TABLE: [name: string, id: number, type: string][] = [
  ['F32', 0, 'F32'],
  ['F16', 1, 'F16'],
  ['BF16', 32, 'BF16'],
  ['Q8_0', 7, 'Q8_0'],
  ['Q6_K', 18, 'Q6_K'],
  ['Q5_K_M', 17, 'Q5_K'],
  ['Q5_K_S', 16, 'Q5_K'],
  ['Q5_1', 9, 'Q5_1'],
  ['Q5_0', 8, 'Q5_0'],
  ['Q4_K_M', 15, 'Q4_K'],
  ['Q4_K_S', 14, 'Q4_K'],
  ['Q4_1', 3, 'Q4_1'],
  ['Q4_0', 2, 'Q4_0'],
  ['IQ4_NL', 25, 'IQ4_NL'],
  ['IQ4_XS', 30, 'IQ4_XS'],
  ['Q3_K_L', 13, 'Q3_K'],
  ['Q3_K_M', 12, 'Q3_K'],
  ['Q3_K_S', 11, 'Q3_K'],
  ['Q2_K', 10, 'Q2_K'],
  ['Q2_K_S', 21, 'Q2_K'],
]

export const FILE_TYPES: readonly FileType[] = TABLE.map(([name, id, type]) => ({ name, id, type }))

/** Short names of the usual mixes. */
const ALIASES: Readonly<Record<string, string>> = { Q3_K: 'Q3_K_M', Q4_K: 'Q4_K_M', Q5_K: 'Q5_K_M' }

/** By name, or by the number that llama.cpp has for it. */
function lookUp(given: unknown): FileType | undefined {
  const name = String(given).toUpperCase()
  return FILE_TYPES.find((type) => type.name === (ALIASES[name] ?? name) || String(type.id) === name)
}

export function isFileType(given: string): boolean {
  return lookUp(given) !== undefined
}

/** @throws ArgumentError FILE_TYPE, which lists them all. */
export function findFileType(given: unknown): FileType {
  const found = lookUp(given)
  if (found) return found
  const names = FILE_TYPES.map((type) => type.name).join(', ')
  throw new ArgumentError('FILE_TYPE', `A file can be quantized to ${names}, not to ${String(given)}.`, given)
}

/** ggml's name of the type that a single tensor shall have. @throws ArgumentError QUANTIZE_TYPE, which lists them all. */
export function findTensorType(option: string, given: unknown): string {
  const name = String(given).toUpperCase()
  if (RowQuantizer.types.includes(name)) return name
  const names = RowQuantizer.types.join(', ')
  throw new ArgumentError('QUANTIZE_TYPE', `${option} can be ${names}, not ${String(given)}.`, given)
}

/**
 * `NAME=TYPE`, as llama-quantize takes it: NAME is an expression that is found in the names of tensors.
 * @throws ArgumentError QUANTIZE_TYPE, INVALID_OPTION
 */
export function readTensorType(given: unknown): [name: RegExp, type: string] {
  const [, name, type] = /^(.+?)=(.*)$/s.exec(String(given)) ?? []
  try {
    if (name !== undefined) return [new RegExp(name.toLowerCase()), findTensorType(name, type)]
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw invalid('tensorTypes', 'NAME=TYPE, such as attn_q=Q8_0, NAME being a regular expression', given)
}
