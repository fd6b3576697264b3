/** The element types of tensors. Source: ggml's `enum ggml_type` and its block structs. */
import { FormatError } from '../errors.ts'

export interface GgmlType {
  /** ggml_type's number, as it stands in a file. */
  readonly id: number
  /** ggml_type's name: `F32`, `Q4_0` … */
  readonly name: string
  /** Columns (elements of one row) a block holds. */
  readonly blockColumns: number
  readonly blockBytes: number
}

// Numbers that are missing were withdrawn (4, 5, 31–33, 36–38), or stand for different blocks in different programs (42).
const TABLE: [id: number, name: string, blockColumns: number, blockBytes: number][] = [
  [0, 'F32', 1, 4],
  [1, 'F16', 1, 2],
  [2, 'Q4_0', 32, 18],
  [3, 'Q4_1', 32, 20],
  [6, 'Q5_0', 32, 22],
  [7, 'Q5_1', 32, 24],
  [8, 'Q8_0', 32, 34],
  [9, 'Q8_1', 32, 36],
  [10, 'Q2_K', 256, 84],
  [11, 'Q3_K', 256, 110],
  [12, 'Q4_K', 256, 144],
  [13, 'Q5_K', 256, 176],
  [14, 'Q6_K', 256, 210],
  [15, 'Q8_K', 256, 292],
  [16, 'IQ2_XXS', 256, 66],
  [17, 'IQ2_XS', 256, 74],
  [18, 'IQ3_XXS', 256, 98],
  [19, 'IQ1_S', 256, 50],
  [20, 'IQ4_NL', 32, 18],
  [21, 'IQ3_S', 256, 110],
  [22, 'IQ2_S', 256, 82],
  [23, 'IQ4_XS', 256, 136],
  [24, 'I8', 1, 1],
  [25, 'I16', 1, 2],
  [26, 'I32', 1, 4],
  [27, 'I64', 1, 8],
  [28, 'F64', 1, 8],
  [29, 'IQ1_M', 256, 56],
  [30, 'BF16', 1, 2],
  [34, 'TQ1_0', 256, 54],
  [35, 'TQ2_0', 256, 66],
  [39, 'MXFP4', 32, 17],
  [40, 'NVFP4', 64, 36],
  [41, 'Q1_0', 128, 18],
]

const TYPES: readonly GgmlType[] = TABLE.map(([id, name, blockColumns, blockBytes]) => ({
  id,
  name,
  blockColumns,
  blockBytes,
}))

/** Types by name. */
export const GGML_TYPES: ReadonlyMap<string, GgmlType> = new Map(TYPES.map((type) => [type.name, type]))

const BY_ID: ReadonlyMap<number, GgmlType> = new Map(TYPES.map((type) => [type.id, type]))

/** The type with this ggml_type number, undefined if the number is unknown. */
export function ggmlType(id: number): GgmlType | undefined {
  return BY_ID.get(id)
}

/**
 * Bytes of a tensor: elements / blockColumns × blockBytes.
 * @param what names the tensor in errors.
 * @throws FormatError where a dimension is not a positive whole number, there are none or more than four, the elements
 *   or bytes are more than 2^53, or a row is not a whole number of blocks.
 */
export function tensorBytes(type: GgmlType, dimensions: readonly number[], what: string): number {
  const elements = elementCount(dimensions, what)
  if (dimensions[0]! % type.blockColumns !== 0) {
    throw new FormatError(
      'GGUF_BLOCK',
      `${what} has rows of ${dimensions[0]} columns, but ${type.name} stores blocks of ${type.blockColumns}: ` +
        'the file is damaged or was written by a faulty program.',
      dimensions[0],
    )
  }
  const bytes = (elements / type.blockColumns) * type.blockBytes
  if (bytes > Number.MAX_SAFE_INTEGER) throw tooLarge(dimensions, what)
  return bytes
}

/** Elements of a tensor. @throws FormatError as {@link tensorBytes} does. */
export function elementCount(dimensions: readonly number[], what: string): number {
  if (dimensions.length < 1 || dimensions.length > 4) {
    throw new FormatError(
      'GGUF_DIMENSIONS',
      `${what} has ${dimensions.length} dimensions; GGUF tensors have 1 to 4.`,
      dimensions.length,
    )
  }
  let elements = 1
  for (const dimension of dimensions) {
    if (!Number.isSafeInteger(dimension) || dimension < 1) {
      throw new FormatError(
        'GGUF_DIMENSIONS',
        `${what} has dimensions ${dimensions.join(' × ')}; they must be whole numbers from 1 to 2^53: the file is damaged.`,
        dimension,
      )
    }
    if (dimension > Number.MAX_SAFE_INTEGER / elements) throw tooLarge(dimensions, what)
    elements *= dimension
  }
  return elements
}

function tooLarge(dimensions: readonly number[], what: string): FormatError {
  return new FormatError(
    'GGUF_DIMENSIONS',
    `${what} with dimensions ${dimensions.join(' × ')} has more than 2^53 elements or bytes: the file is damaged.`,
    dimensions,
  )
}
