/** A tensor of the GGUF file, and where in the folder it comes from. */

/** A tensor that a model should have. */
export interface TensorRule {
  /** GGUF's name, within the layer or whole. */
  readonly name: string
  /** [columns, rows, experts] of what the file has, or as many of them as it has. */
  readonly dimensions: readonly number[]
  /** Where it comes from; the first form that the folder has counts, or the first. */
  readonly forms: readonly TensorForm[]
  /** Rows of a head, whose halves are brought together pair by pair. */
  readonly headRows?: number
  /** May be absent. */
  readonly optional?: boolean
}

export interface TensorForm {
  /** transformers' name, within the layer or whole; `*` stands for the number of an expert or a head. */
  readonly source: string
  /** Slowest first. */
  readonly shape: readonly number[]
  /** Tensors to be stacked, where the name has a `*`. */
  readonly stack?: number
  /** First row and count of the rows that are taken, all dimensions but the last in one; or all. */
  readonly spans?: readonly (readonly [first: number, count: number])[]
}
