/** The weight types that have kernels, as files hold them and as assembly/quant packs them. */
import { GGML_TYPES } from '../gguf/ggml-types.ts'

/** A weight type that has kernels. */
export interface WeightType {
  id: number
  /** Columns of a block; bytes of a block of one row in the file, and of 8 packed rows; bytes before a group's blocks. */
  columns: number
  fileBytes: number
  packedBytes: number
  headerBytes: number
  /** Bytes of 32 columns of 8 rows, unpacked: the largest of all builds. */
  unpackedBytes: number
  /** Whether it is multiplied with f32 activations rather than int8 blocks. */
  float: boolean
  /** Whether the relaxed build has an alternate kernel. */
  alternate: boolean
  /** Whether wide matrices are cut into panels: a row must be one sum of f32, block after block. */
  panels: boolean
  /**
   * Where f16s are in a block of the file, and which value of each makes quants and sub-scales that are random bits weights
   * of mean 0 and deviation 1.
   */
  scales: readonly (readonly [at: number, unit: number])[]
}

type Scales = WeightType['scales']

/** F32, F16 and BF16: bytes of a column of 8 rows, as it is and unpacked. */
function floats(name: string, packedBytes: number, unpackedBytes: number, scales: Scales): [string, WeightType] {
  return row(name, { packedBytes, headerBytes: 0, unpackedBytes, float: true, alternate: false, panels: false, scales })
}

/** Types of blocks: bytes of a block of 8 rows. */
function blocks(
  name: string,
  packedBytes: number,
  scales: Scales,
  { headerBytes = 16, panels = true } = {},
): [string, WeightType] {
  return row(name, { packedBytes, headerBytes, unpackedBytes: 640, float: false, alternate: true, panels, scales })
}

function row(name: string, rest: Omit<WeightType, 'id' | 'columns' | 'fileBytes'>): [string, WeightType] {
  const { id, blockColumns, blockBytes } = GGML_TYPES.get(name)!
  return [name, { id, columns: blockColumns, fileBytes: blockBytes, ...rest }]
}

// biome-ignore format: a table, a type a line
/** By ggml's name. The numbers are those of assembly/quant. */
export const WEIGHT_TYPES: ReadonlyMap<string, WeightType> = new Map([
  floats('F32', 32, 0, []),
  floats('F16', 16, 1024, [[0, 1]]),
  floats('BF16', 16, 1024, [[0, 1]]),
  blocks('Q4_0', 144, [[0, 1 / 4.61]]),
  blocks('Q4_1', 160, [[0, 1 / 4.61], [2, -7.5 / 4.61]]),
  blocks('Q5_0', 176, [[0, 1 / 9.23]]),
  blocks('Q5_1', 192, [[0, 1 / 9.23], [2, -15.5 / 9.23]]),
  blocks('Q8_0', 272, [[0, 1 / 73.9]]),
  blocks('Q2_K', 672, [[80, 1 / 13.9], [82, 1.5 / 13.9]], { panels: false }),
  blocks('Q3_K', 912, [[108, 1 / 43.3]]),
  blocks('Q4_K', 1184, [[0, 1 / 258], [2, 7.5 / 258]]),
  blocks('Q5_K', 1440, [[0, 1 / 527], [2, 15.5 / 527]]),
  blocks('Q6_K', 1696, [[208, 1 / 1365]], { headerBytes: 0 }),
  blocks('IQ4_NL', 144, [[0, 1 / 67.4]]),
  blocks('IQ4_XS', 1104, [[0, 1 / 1246]]),
])
