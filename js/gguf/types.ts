/** What a GGUF file says, in GGUF's own words. Source: ggml's docs/gguf.md, versions 2 and 3. */

/** Array values: numbers in typed arrays (i64/u64 as bigint arrays, bool as Uint8Array), strings as string[]. */
export type MetadataArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array
  | string[]
  | MetadataArray[]

/** u64 and i64 scalars are numbers where they are safe integers, else bigint. */
export type MetadataValue = number | bigint | boolean | string | MetadataArray

export type Metadata = ReadonlyMap<string, MetadataValue>

export interface TensorInfo {
  readonly name: string
  /** Dimensions, fastest first: a matrix of R rows and C columns is [C, R]. */
  readonly dimensions: readonly number[]
  /** ggml_type's name: `F32`, `Q4_0` …; a number unknown to this reader becomes `type 99`. */
  readonly type: string
  /** Bytes from the start of the file. */
  readonly offset: number
  /** Bytes of data; 0 where the type is unknown. */
  readonly bytes: number
}

export interface Gguf {
  readonly version: number
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Where each metadata entry stands in the file, from its key on: start and end. They follow one another. */
  readonly entries: ReadonlyMap<string, readonly [start: number, end: number]>
  /** Bytes before the first tensor's data. */
  readonly dataOffset: number
  /** Size of the whole file in bytes. */
  readonly fileBytes: number
  /** Files that the model was put together from, where it is more than one. */
  readonly shards?: number
}
