/** What a family of Hugging Face models is: which configurations are of it, and how its folder becomes GGUF. */
import type { MetadataEntry, ScalarType, ScalarValue } from '../../gguf/writer.ts'
import type { Json } from '../../util/json.ts'
import type { TensorRule } from './tensor-rule.ts'

/** What it leaves out is as in LLaMA. */
export interface Family {
  /** `general.architecture`, and the prefix of its keys. */
  readonly name: string
  /** transformers' classes, and what their configuration means where config.json says nothing. */
  readonly classes: Readonly<Record<string, Json>>
  /** What `hidden_act` may be; default `silu`. */
  readonly activations?: readonly string[]
  /** Kinds of rotary scaling beside `linear` and `yarn`, which every architecture has. */
  readonly scalings?: readonly ('llama3' | 'longrope' | 'dynamic')[]
  /** A part of each head may be rotated (`partial_rotary_factor`). */
  readonly turnsPart?: boolean
  /**
   * transformers rotates dimensions i and i + half of a head together, GGUF's readers 2i and 2i + 1: rows of queries and keys are
   * brought into that order.
   */
  readonly interleaves?: boolean
  /** Windowed layers are rotated by the base of the others, where config.json gives them none. */
  readonly windowsShareBase?: boolean
  /** Whether files have key_length: where head_dim is stated; always, as the class works it out; or never. */
  readonly headDim?: 'stated' | 'always' | 'never'
  /** Keys after those that all families have; one of theirs takes the new value in its place. */
  keys?(config: HfConfig): Key[]
  /** The order of all keys, where not all that the others have are written; what `keys` adds to it comes last. */
  readonly order?: string | undefined
  /** Keys before `general.type`. */
  first?(config: HfConfig): Key[]
  /** What sentence-transformers' folders say of pooling is written. */
  readonly pools?: boolean
  /** @throws UnsupportedError for what GGUF cannot say, and what would give other results if it were left out */
  check?(config: HfConfig): void
  /** transformers' names of the embedding, the last norm and the head. */
  readonly outer?: Readonly<Record<'embedding' | 'norm' | 'head', string>>
  /** Biases of the last norm. */
  readonly outputNormBias?: boolean
  /** 1 is added to the weights of norms. */
  readonly shiftsNorms?: boolean
  /** Which heads are written: any that the folder has, those that are not the embedding, none. */
  readonly head?: 'any' | 'untied' | 'never'
  /** The tensors of a layer, by their names within it. */
  layer(config: HfConfig): TensorRule[]
  /** The usual name of a tensor that goes by another in some folders. */
  rename?(name: string): string
  /** Tensors of what is no part of the text model. */
  readonly skips?: RegExp
  readonly vocabulary?: VocabularyTraits
}

/** How its vocabulary differs. */
export interface VocabularyTraits {
  /**
   * `tokenizer.ggml.add_space_prefix`: as the settings have it, before all other keys; the same, last; false, last; as
   * tokenizer.model has it, after the tokens. Byte-level vocabularies have it in the first case only.
   */
  readonly spacePrefix?: 'first' | 'last' | 'never' | 'model'
  /** Added tokens of tokenizer.json count beside a tokenizer.model. */
  readonly addsFromJson?: boolean
  /** tokenizer.model is InternLM2's: a NUL is a dragon, and `[UNUSED…` are not used. */
  readonly internlm?: boolean
  /** Parts of tokens that no file names: `eos=TEXT` where none is given, `eos:TEXT` in any case, parted by spaces. */
  readonly parts?: string
  /** Ids in the place of the files', by transformers' names: `eos`, `pad` … */
  ids?(config: Json, generation: Json): Readonly<Record<string, unknown>>
}

export interface HfConfig {
  readonly family: Family
  /** transformers' class. */
  readonly architecture: string
  /** config.json with what the class means where it says nothing; of several models in one the text's. */
  readonly json: Json
  /** Numbers by GGUF's names. */
  readonly vocabSize: number
  readonly embeddingLength: number
  readonly feedForwardLength: number
  readonly blockCount: number
  readonly headCount: number
  readonly headCountKv: number
  readonly headDim: number
  /** Where files have it. */
  readonly keyLength: number | undefined
  readonly contextLength: number
  /** 0 in a dense model. */
  readonly expertCount: number
  readonly expertUsedCount: number
  /** The head is the embedding. */
  readonly tied: boolean
  readonly rope: RopeSettings
}

export interface RopeSettings {
  readonly base: number
  /** Of windowed layers, where they have one. */
  readonly baseSwa: number | undefined
  /** `linear`, `yarn`, `llama3`, `longrope`, `dynamic`; undefined: none. */
  readonly scaling: string | undefined
  /** The rest of what config.json says, of all but windowed layers. */
  readonly parameters: Json
  /** Context before it was extended, in tokens. */
  readonly originalContext: number
  /** How much of each head is rotated. */
  readonly part: number
}

/** A metadata entry; `architecture.` goes before names without `general.`. */
export type Key = MetadataEntry

const key = (name: string, type: ScalarType, value: ScalarValue): Key => ({ key: name, type, value })
export const uint32 = (name: string, value: number): Key => key(name, 'uint32', value)
export const float32 = (name: string, value: number): Key => key(name, 'float32', value)
export const bool = (name: string, value: boolean): Key => key(name, 'bool', value)
export const text = (name: string, value: string): Key => key(name, 'string', value)
export const bools = (name: string, value: readonly boolean[]): Key => ({ key: name, type: 'array', of: 'bool', value })

/** Of config.json: what every class has a default for. */
export function sizes(
  vocab_size: number,
  hidden_size: number,
  intermediate_size: number,
  num_hidden_layers: number,
  num_attention_heads: number,
  num_key_value_heads: number | null,
  max_position_embeddings: number,
): Json {
  const layers = { num_hidden_layers, num_attention_heads, num_key_value_heads, intermediate_size, hidden_size }
  return { vocab_size, ...layers, max_position_embeddings, hidden_act: 'silu', rms_norm_eps: 1e-6 }
}
