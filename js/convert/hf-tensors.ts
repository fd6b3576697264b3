/**
 * Which tensors of a Hugging Face folder become which of GGUF's. Source: the parameter names of transformers' LlamaModel, and
 * llama.cpp's convert_hf_to_gguf.py (what becomes f32, the order of the rows of q and k).
 */
import { FormatError, UnsupportedError } from '../errors.ts'
import type { Folder } from './folder.ts'
import type { HfConfig } from './hf-config.ts'
import { readSafetensors, type SafetensorsTensor } from './safetensors.ts'

export interface HfTensor {
  /** GGUF's name. */
  readonly name: string
  /** One, or one of each expert, of the same shape: as many rows, one after the other. */
  readonly parts: readonly SafetensorsTensor[]
  /** Of a part. A vector of n has n rows of one column. */
  readonly rows: number
  readonly columns: number
  /** Experts, where it has three dimensions. */
  readonly experts?: number
  /** Rows of a head, where they stand in transformers' order. */
  readonly headRows?: number
}

const INDEX = 'model.safetensors.index.json'
/** Buffers that older versions of transformers saved. */
const IGNORED = /(\.rotary_emb\.inv_freq|\.attention\.masked_bias|\.attention\.bias)$/
const WEIGHT_TYPES = ['F32', 'F16', 'BF16']

/** The tensors of all parts, by name. @throws FormatError, UnsupportedError, SourceError, AbortError */
export async function readParts(folder: Folder, signal?: AbortSignal): Promise<Map<string, SafetensorsTensor>> {
  const index = await folder.jsonIfPresent(INDEX)
  const tensors = new Map<string, SafetensorsTensor>()
  for (const name of partNames(folder, index)) {
    for (const tensor of (await readSafetensors(await folder.open(name), signal)).values()) {
      if (tensors.has(tensor.name)) {
        const message = `The tensor ${tensor.name} is in two files, one of them ${name}: download the model again.`
        throw new FormatError('TENSOR_TWICE', message, tensor.name)
      }
      tensors.set(tensor.name, tensor)
    }
  }
  const missing = Object.keys(weightMap(index)).find((name) => !tensors.has(name))
  if (missing === undefined) return tensors
  throw new FormatError('TENSOR_MISSING', `${INDEX} promises the tensor ${missing}, but no file has it.`, missing)
}

function partNames(folder: Folder, index: ReturnType<typeof weightMap> | undefined): string[] {
  if (index) return [...new Set(Object.values(weightMap(index)).map(String))].sort()
  const names = folder.names.filter((name) => /^model.*\.safetensors$/.test(name)).sort()
  if (names.length > 0) return names
  const pickled = folder.names.find((name) => /^pytorch_model.*\.bin$/.test(name))
  if (pickled !== undefined) {
    const message = `The weights are in ${pickled}, a pickle; cria reads safetensors: save the model with safe_serialization=True.`
    throw new UnsupportedError('HF_PICKLE', message, pickled)
  }
  throw new FormatError('FILE_MISSING', 'The folder has no model.safetensors: download the whole model.', INDEX)
}

function weightMap(index: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, unknown>> {
  if (index === undefined) return {}
  const map = index.weight_map
  if (typeof map === 'object' && map !== null && !Array.isArray(map)) return map as Record<string, unknown>
  throw new FormatError('FILE_JSON', `${INDEX} has no weight_map: it is damaged; download it again.`, INDEX)
}

/** What a model should have: GGUF's name, transformers' name, the shape. */
interface Expected {
  name: string
  /** `*` stands for the number of an expert. */
  source: string
  shape: number[]
  experts?: number
  headRows?: number
  /** May be absent. */
  optional?: boolean
}

/**
 * The tensors in GGUF's customary order: the embedding, layer by layer, the end.
 * @throws FormatError TENSOR_MISSING, TENSOR_SHAPE; UnsupportedError TENSOR_UNKNOWN, TENSOR_TYPE
 */
export function planHfTensors(parts: ReadonlyMap<string, SafetensorsTensor>, config: HfConfig): HfTensor[] {
  const planned: HfTensor[] = []
  const used = new Set<string>()
  for (const { name, source, shape, headRows, optional, experts } of expectedTensors(config)) {
    const sources = Array.from({ length: experts ?? 1 }, (_, expert) => source.replace('*', String(expert)))
    const found = sources.flatMap((part) => {
      const from = parts.get(part)
      used.add(part)
      if (from) checkTensor(from, shape)
      else if (!optional) {
        const message = `The folder has no tensor ${part} (${name}): it is incomplete; download it again.`
        throw new FormatError('TENSOR_MISSING', message, part)
      }
      return from ?? []
    })
    if (found.length === 0) continue
    const [rows, columns = 1] = shape
    planned.push({
      name,
      parts: found,
      rows: rows!,
      columns,
      ...(headRows && { headRows }),
      ...(experts && { experts }),
    })
  }
  const unknown = [...parts.keys()].find((name) => !used.has(name) && !IGNORED.test(name))
  if (unknown === undefined) return planned
  const message = `The folder has a tensor ${unknown}, which no model of this architecture and ${config.layers} layers has: its result would be wrong without.`
  throw new UnsupportedError('TENSOR_UNKNOWN', message, unknown)
}

function checkTensor({ name, dtype, shape }: SafetensorsTensor, expected: readonly number[]): void {
  if (!WEIGHT_TYPES.includes(dtype)) {
    const message = `The tensor ${name} is of type ${dtype}; cria converts ${WEIGHT_TYPES.join(', ')}.`
    throw new UnsupportedError('TENSOR_TYPE', message, dtype)
  }
  if (shape.length === expected.length && shape.every((size, i) => size === expected[i])) return
  const message = `The tensor ${name} has the shape [${shape.join(', ')}], but config.json asks for [${expected.join(', ')}].`
  throw new FormatError('TENSOR_SHAPE', message, name)
}

function* expectedTensors(config: HfConfig): Generator<Expected> {
  const { dim, layers, vocabulary, tied } = config
  yield { name: 'token_embd.weight', source: 'model.embed_tokens.weight', shape: [vocabulary, dim] }
  for (let i = 0; i < layers; i++) yield* expectedLayer(config, i)
  yield { name: 'output_norm.weight', source: 'model.norm.weight', shape: [dim] }
  yield { name: 'output.weight', source: 'lm_head.weight', shape: [vocabulary, dim], optional: tied }
}

function* expectedLayer(config: HfConfig, layer: number): Generator<Expected> {
  const { dim, hidden, heads, kvHeads, headDim, attentionBias, feedForwardBias, experts } = config
  const q = heads * headDim
  const kv = kvHeads * headDim
  const norm = (name: string, source: string): Expected => ({
    name: `blk.${layer}.${name}.weight`,
    source: `model.layers.${layer}.${source}.weight`,
    shape: [dim],
  })
  const matrix = (name: string, source: string, rows: number, columns: number, bias: boolean): Expected[] => {
    // Rotary pairs lie half a head apart in transformers, beside each other in GGUF's llama.
    const rotary = name === 'attn_q' || name === 'attn_k'
    const both = { ...(rotary && { headRows: headDim }) }
    const names = (kind: string) => ({
      name: `blk.${layer}.${name}.${kind}`,
      source: `model.layers.${layer}.${source}.${kind}`,
    })
    return [
      { ...names('weight'), ...both, shape: [rows, columns] },
      { ...names('bias'), ...both, shape: [rows], optional: !bias },
    ]
  }
  yield norm('attn_norm', 'input_layernorm')
  yield* matrix('attn_q', 'self_attn.q_proj', q, dim, attentionBias)
  yield* matrix('attn_k', 'self_attn.k_proj', kv, dim, attentionBias)
  yield* matrix('attn_v', 'self_attn.v_proj', kv, dim, attentionBias)
  yield* matrix('attn_output', 'self_attn.o_proj', dim, q, attentionBias)
  yield norm('ffn_norm', 'post_attention_layernorm')
  if (experts > 0) {
    const [router] = matrix('ffn_gate_inp', 'block_sparse_moe.gate', experts, dim, false)
    yield router!
    const stacked = (name: string, part: string, rows: number, columns: number): Expected => {
      const [weight] = matrix(`${name}_exps`, `block_sparse_moe.experts.*.${part}`, rows, columns, false)
      return { ...weight!, experts }
    }
    yield stacked('ffn_gate', 'w1', hidden, dim)
    yield stacked('ffn_down', 'w2', dim, hidden)
    yield stacked('ffn_up', 'w3', hidden, dim)
    return
  }
  yield* matrix('ffn_gate', 'mlp.gate_proj', hidden, dim, feedForwardBias)
  yield* matrix('ffn_up', 'mlp.up_proj', hidden, dim, feedForwardBias)
  yield* matrix('ffn_down', 'mlp.down_proj', dim, hidden, feedForwardBias)
}

/**
 * Which of transformers' rows is a row of GGUF's: of a head's rows, the first half are the first of each rotary pair and the
 * second half the second.
 *
 *     transformers: a0 a1 a2 … b0 b1 b2 …      GGUF: a0 b0 a1 b1 a2 b2 …
 */
export function sourceRow(row: number, headRows: number): number {
  const within = row % headRows
  return row - within + (within % 2) * (headRows / 2) + Math.floor(within / 2)
}

/** Rows of whole heads, from transformers' order to GGUF's. */
export function interleaveHeads(bytes: Uint8Array, rowBytes: number, headRows: number): Uint8Array {
  const out = new Uint8Array(bytes.length)
  for (let row = 0; row * rowBytes < bytes.length; row++) {
    const source = sourceRow(row, headRows)
    out.set(bytes.subarray(source * rowBytes, (source + 1) * rowBytes), row * rowBytes)
  }
  return out
}
