/**
 * Which type each tensor gets. Source: llama.cpp's llama-quant.cpp, whose thresholds are its measurements of where bits matter
 * most. It goes by the names of tensors; the architecture counts in one rule only.
 */
import { ArgumentError, FormatError } from '../errors.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import type { TensorInfo } from '../gguf/types.ts'
import type { ModelConfig } from '../models/config.ts'
import type { FileType } from './file-types.ts'

/** Of a model's sizes, those that the choice looks at. */
export type MixConfig = Pick<
  ModelConfig,
  'architecture' | 'blockCount' | 'nextnPredictLayers' | 'headCount' | 'headCountKv' | 'expertCount'
>

export interface MixOptions {
  /** All matrices the same type. */
  pure: boolean
  /** ggml's names. */
  outputTensorType?: string
  tokenEmbeddingType?: string
  /** Types of tensors whose names match, the first that does; they come before the mix. */
  tensorTypes?: readonly (readonly [name: RegExp, type: string])[]
  /** output.weight stays as it is. */
  leaveOutputTensor: boolean
  /** Whether there is an importance matrix. */
  importance: boolean
}

export interface Choice {
  type: string
  /** The type that was meant, where the tensor's columns do not fit it. */
  instead?: string
}

/** The part of a model that a tensor is, as far as types differ. */
type TensorRole = 'output' | 'token_embd' | 'attn_v' | 'attn_k' | 'attn_output' | 'ffn_down' | 'other'

function roleOf(name: string): TensorRole {
  if (name === 'output.weight') return 'output'
  if (name === 'token_embd.weight') return 'token_embd'
  // Queries, keys and values in one matrix: the values count.
  if (name.includes('attn_qkv.weight')) return 'attn_v'
  for (const part of ['attn_v', 'attn_k', 'attn_output'] as const) if (name.includes(`${part}.weight`)) return part
  return name.includes('ffn_down') ? 'ffn_down' : 'other'
}

/** Norms, vectors and what routes to experts stay as they are. */
function staysAsIs({ name, dimensions }: TensorInfo, leaveOutputTensor: boolean): boolean {
  return (
    !dimensions.slice(1).some((size) => size > 1) ||
    !name.endsWith('weight') ||
    name.includes('_norm.weight') ||
    name.includes('ffn_gate_inp.weight') ||
    (leaveOutputTensor && name === 'output.weight')
  )
}

/** Layer by layer after what belongs to none, by name within: the order of llama.cpp's map of weights. */
export function inFileOrder<T extends { readonly name: string }>(tensors: readonly T[]): T[] {
  return [...tensors].sort((a, b) => layerOf(a.name) - layerOf(b.name) || (a.name < b.name ? -1 : 1))
}

/** −1: of none. */
function layerOf(name: string): number {
  return Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1)
}

/**
 * The type of each tensor, in the order given, which must be the file's to be ({@link inFileOrder}).
 * @throws ArgumentError TENSOR_ROWS where a tensor's columns do not fit a type that was asked for by name.
 */
export function chooseTypes(
  tensors: readonly TensorInfo[],
  config: MixConfig,
  file: FileType,
  options: MixOptions,
): Choice[] {
  const mix = new Mix(tensors, config, file, options)
  return tensors.map((tensor) => mix.choose(tensor))
}

class Mix {
  /** An output head of its own. */
  private readonly untied: boolean
  /** Of the file: some predict further tokens. */
  private readonly layers: number
  /** How many tensors attn_v there are, and how many of these and of ffn_down have had their turn. */
  private readonly attnVs: number
  private attnV = 0
  private ffnDown = 0

  constructor(
    tensors: readonly TensorInfo[],
    private readonly config: MixConfig,
    private readonly file: FileType,
    private readonly options: MixOptions,
  ) {
    this.untied = tensors.some(({ name }) => roleOf(name) === 'output')
    this.layers = config.blockCount + config.nextnPredictLayers
    this.attnVs = tensors.filter(({ name }) => roleOf(name) === 'attn_v').length
  }

  choose(tensor: TensorInfo): Choice {
    const { file, options } = this
    if (staysAsIs(tensor, options.leaveOutputTensor)) return { type: tensor.type }
    const part = roleOf(tensor.name)
    if (part === 'token_embd' && options.tokenEmbeddingType) return given(tensor, options.tokenEmbeddingType)
    if (part === 'output' && options.outputTensorType) return given(tensor, options.outputTensorType)
    if (GGML_TYPES.get(file.type)!.blockColumns === 1) return { type: file.type }
    const [, named] = options.tensorTypes?.find(([name]) => name.test(tensor.name)) ?? []
    return fitting(tensor, named ?? (options.pure ? file.type : this.mixed(tensor, part)))
  }

  private mixed(tensor: TensorInfo, part: TensorRole): string {
    const { file } = this
    switch (part) {
      case 'output':
        return this.output(tensor)
      case 'token_embd':
        return this.untied ? file.type : this.output(tensor)
      case 'attn_v':
        return this.valueType(this.attnV++)
      case 'attn_k':
        return this.config.expertCount === 8 ? 'Q8_0' : file.type
      case 'attn_output':
        return this.attnOutput()
      case 'ffn_down':
        return this.down(this.downLayer(tensor.name, this.ffnDown++))
      default:
        return file.type
    }
  }

  /** The output head, or the embedding that serves as one. */
  private output({ dimensions }: TensorInfo): string {
    const { type } = this.file
    if (this.options.outputTensorType) return this.options.outputTensorType
    return type === 'Q8_0' || dimensions[0]! % GGML_TYPES.get(type)!.blockColumns !== 0 ? 'Q8_0' : 'Q6_K'
  }

  /** attn_v, the i-th of them: the smaller it is beside attn_q, the cheaper its bits. */
  private valueType(i: number): string {
    const { headCount, headCountKv, expertCount } = this.config
    if (expertCount === 8) return 'Q8_0'
    const type = this.valueMix(i, Math.floor(headCount / headCountKv) >= 4)
    return this.isOf70B() && (type === 'Q3_K' || type === 'Q4_K') ? 'Q5_K' : type
  }

  /** Llama 2 and 3 of 70B, Qwen 2 and 2.5 of 72B: attn_v is an eighth of attn_q there, so that bits of it cost little. */
  private isOf70B(): boolean {
    const { architecture, headCount, headCountKv } = this.config
    return this.layers === 80 && (architecture === 'qwen2' || (architecture === 'llama' && headCount !== headCountKv))
  }

  private valueMix(i: number, grouped: boolean): string {
    const { name, type } = this.file
    switch (name) {
      case 'Q2_K':
        return grouped ? 'Q4_K' : 'Q3_K'
      case 'Q2_K_S':
        return grouped ? 'Q4_K' : type
      case 'Q3_K_M':
        return i < 2 ? 'Q5_K' : 'Q4_K'
      case 'Q3_K_L':
        return 'Q5_K'
      case 'IQ4_NL':
      case 'IQ4_XS':
        return grouped ? 'Q5_K' : type
      case 'Q4_K_S':
        return i < 4 ? 'Q5_K' : type
      case 'Q4_K_M':
      case 'Q5_K_M':
        return matters(i, this.attnVs) ? 'Q6_K' : type
      default:
        return type
    }
  }

  private attnOutput(): string {
    const { name, type } = this.file
    if (this.config.expertCount === 8) return EIGHT_EXPERTS_OUTPUT.includes(name) ? 'Q5_K' : type
    if (name === 'Q2_K') return 'Q3_K'
    if (name === 'Q3_K_M') return 'Q4_K'
    return name === 'Q3_K_L' ? 'Q5_K' : type
  }

  private down(layer: number): string {
    const { name, type } = this.file
    const { layers } = this
    const early = layer < Math.floor(layers / 8)
    switch (name) {
      case 'Q2_K':
        return 'Q3_K'
      case 'Q2_K_S':
        return early ? 'Q4_K' : type
      case 'Q3_K_M':
        return layer < Math.floor(layers / 16) ? 'Q5_K' : 'Q4_K'
      case 'Q3_K_L':
        return 'Q5_K'
      case 'Q4_K_M':
      case 'Q5_K_M':
        return matters(layer, layers) ? 'Q6_K' : type
      case 'Q4_K_S':
        return early ? 'Q5_K' : type
      case 'IQ4_NL':
      case 'IQ4_XS':
        return early && !this.options.importance ? 'Q5_K' : type
      case 'Q4_0':
        return early && this.options.importance ? 'Q4_1' : type
      case 'Q5_0':
        return early && this.options.importance ? 'Q5_1' : type
      default:
        return type
    }
  }

  /** Experts come in no order, so that there the name counts. */
  private downLayer(name: string, turn: number): number {
    if (this.config.expertCount < 2) return turn
    const layer = layerOf(name)
    if (layer >= 0 && layer < this.layers) return layer
    throw new FormatError('TENSOR_NAME', `The tensor ${name} belongs to none of the ${this.layers} layers.`, name)
  }
}

/** File types of which attn_output has more bits where there are 8 experts: it is a small part then. */
const EIGHT_EXPERTS_OUTPUT = ['Q2_K', 'Q3_K_S', 'Q3_K_M', 'IQ4_NL', 'IQ4_XS', 'Q4_K_S', 'Q4_K_M']

/** Whether a layer is among those that get more bits: the first and last eighths, and every third between. */
function matters(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8)
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2
}

function fits({ dimensions }: TensorInfo, type: string): boolean {
  return dimensions[0]! % GGML_TYPES.get(type)!.blockColumns === 0
}

/** A type that was asked for by name is that or an error. */
function given(tensor: TensorInfo, type: string): Choice {
  if (fits(tensor, type)) return { type }
  const [columns] = tensor.dimensions
  const { blockColumns } = GGML_TYPES.get(type)!
  const message = `The tensor ${tensor.name} has rows of ${columns} columns, but ${type} takes whole blocks of ${blockColumns}: choose another type for it.`
  throw new ArgumentError('TENSOR_ROWS', message, columns)
}

/** What takes the place of a type of 256-column blocks where the columns are only a multiple of 32. */
const SMALLER: Readonly<Record<string, string>> = {
  Q2_K: 'Q4_0',
  Q3_K: 'Q4_0',
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
  IQ4_XS: 'IQ4_NL',
}

/** The type, or what takes its place where the tensor's columns do not fit it. */
export function fitting(tensor: TensorInfo, type: string): Choice {
  if (fits(tensor, type)) return { type }
  const smaller = SMALLER[type]
  return { type: smaller !== undefined && fits(tensor, smaller) ? smaller : 'F16', instead: type }
}
