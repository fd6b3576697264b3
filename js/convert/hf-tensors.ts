/**
 * Which tensors of a Hugging Face folder become which of GGUF's. Source: the parameter names of transformers' models, and
 * llama.cpp's convert_hf_to_gguf.py (what becomes f32, the order of the rows of q and k).
 */
import { FormatError, UnsupportedError } from '../errors.ts'
import { asObject, type Json } from '../util/json.ts'
import type { CriaWarning } from '../util/warn.ts'
import type { HfConfig } from './families/family.ts'
import { linear, norm } from './families/layers.ts'
import type { TensorForm, TensorRule } from './families/tensor-rule.ts'
import type { Folder } from './folder.ts'
import { readSafetensors, type SafetensorsTensor } from './safetensors.ts'

export interface HfTensor {
  /** GGUF's name. */
  readonly name: string
  /** GGUF's: fastest first. */
  readonly dimensions: readonly number[]
  /** Where its rows come from, in order. */
  readonly pieces: readonly HfPiece[]
  /** Of a row; a vector of n has n rows of one column. */
  readonly columns: number
  /** Rows of a head, where they stand in transformers' order. */
  readonly headRows?: number
  /** 1 is added to its values, which become f32. */
  readonly shifted?: boolean
}

/** Rows of a tensor of the folder: of all its dimensions but the last in one. */
export interface HfPiece {
  readonly from: SafetensorsTensor
  readonly firstRow: number
  readonly rows: number
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

function partNames(folder: Folder, index: Json | undefined): string[] {
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

function weightMap(index: Json | undefined): Json {
  if (index === undefined) return {}
  const map = asObject(index.weight_map)
  if (map) return map
  throw new FormatError('FILE_JSON', `${INDEX} has no weight_map: it is damaged; download it again.`, INDEX)
}

type Tensors = ReadonlyMap<string, SafetensorsTensor>

/**
 * The tensors in GGUF's customary order: the embedding, layer by layer, the end.
 * @throws FormatError TENSOR_MISSING, TENSOR_SHAPE; UnsupportedError TENSOR_UNKNOWN, TENSOR_TYPE
 */
export function planHfTensors(parts: Tensors, config: HfConfig, warn: (warning: CriaWarning) => void): HfTensor[] {
  const named = withUsualNames(parts, config, warn)
  const used = new Set<string>()
  const planned = [...rulesOf(config)].flatMap((rule) => plan(rule, config, named, used))
  const unknown = [...named.keys()].find((name) => !used.has(name) && !isIgnored(name, config))
  if (unknown === undefined) return planned
  const { name } = named.get(unknown)!
  const message = `The folder has a tensor ${name}, which no model of GGUF's ${config.family.name} with ${config.blockCount} layers has: its result would be wrong without.`
  throw new UnsupportedError('TENSOR_UNKNOWN', message, name)
}

/** By the names that a model for causal language modelling has; without those of other models in the folder. */
function withUsualNames(
  parts: Tensors,
  { architecture, family }: HfConfig,
  warn: (warning: CriaWarning) => void,
): Map<string, SafetensorsTensor> {
  const { rename = (name: string) => name, skips } = family
  const skipped = [...parts.keys()].filter((name) => skips?.test(name))
  if (skipped.length > 0) {
    const message = `The folder holds more than the text model; ${skipped.length} tensors of the rest are left out (${skipped[0]} …).`
    warn({ code: 'TENSORS_SKIPPED', message })
  }
  const prefix = isHeadless(architecture) ? 'model.' : ''
  const kept = [...parts].filter(([name]) => !skips?.test(name))
  return new Map(kept.map(([name, tensor]) => [prefix + rename(name), tensor]))
}

/** transformers' names of models without a head. */
function isHeadless(architecture: string): boolean {
  return architecture.endsWith('Model')
}

const OUTER = { embedding: 'model.embed_tokens', norm: 'model.norm', head: 'lm_head' }

function isIgnored(name: string, { family: { head, outer = OUTER }, tied }: HfConfig): boolean {
  const isHead = name === `${outer.head}.weight`
  return IGNORED.test(name) || (isHead && (head === 'never' || (head === 'untied' && tied)))
}

function* rulesOf(config: HfConfig): Generator<TensorRule> {
  const { family, embeddingLength, vocabSize, blockCount, tied, architecture } = config
  const { outer = OUTER, head = 'any' } = family
  const table = [vocabSize, embeddingLength] as const
  yield* linear('token_embd', outer.embedding, table)
  const layer = family.layer(config)
  for (let i = 0; i < blockCount; i++) yield* layer.map((rule) => inLayer(rule, i))
  yield* norm('output_norm', outer.norm, embeddingLength, { bias: family.outputNormBias ?? false })
  if (head === 'never' || (head === 'untied' && tied)) return
  for (const rule of linear('output', outer.head, table)) {
    yield { ...rule, optional: tied || isHeadless(architecture) }
  }
}

function inLayer(rule: TensorRule, i: number): TensorRule {
  const forms = rule.forms.map((form) => ({ ...form, source: `model.layers.${i}.${form.source}` }))
  return { ...rule, name: `blk.${i}.${rule.name}`, forms }
}

/** @param used takes the names of what it is made of */
function plan(rule: TensorRule, config: HfConfig, parts: Tensors, used: Set<string>): HfTensor[] {
  const { name, dimensions, forms, headRows, optional = false } = rule
  const form = forms.find((one) => parts.has(sourcesOf(one)[0]!)) ?? forms[0]!
  const found = sourcesOf(form).flatMap((source) => {
    const from = parts.get(source)
    used.add(source)
    if (from) checkTensor(from, form.shape)
    else if (!optional) {
      const message = `The folder has no tensor ${source} (${name}): it is incomplete; download it again.`
      throw new FormatError('TENSOR_MISSING', message, source)
    }
    return from ?? []
  })
  if (found.length === 0) return []
  const columns = dimensions.length === 1 ? 1 : dimensions[0]!
  const rows = form.shape.reduce((product, size) => product * size, 1) / columns
  const spans = form.spans ?? [[0, rows] as const]
  const pieces = found.flatMap((from) => spans.map(([firstRow, rows]): HfPiece => ({ from, firstRow, rows })))
  const shifted = config.family.shiftsNorms === true && name.endsWith('_norm.weight')
  return [{ name, dimensions, pieces, columns, ...(headRows && { headRows }), ...(shifted && { shifted }) }]
}

function sourcesOf({ source, stack = 1 }: TensorForm): string[] {
  return Array.from({ length: stack }, (_, i) => source.replace('*', String(i)))
}

function checkTensor({ name, dtype, shape: got }: SafetensorsTensor, shape: readonly number[]): void {
  if (!WEIGHT_TYPES.includes(dtype)) {
    const message = `The tensor ${name} is of type ${dtype}; cria converts ${WEIGHT_TYPES.join(', ')}.`
    throw new UnsupportedError('TENSOR_TYPE', message, dtype)
  }
  if (got.length === shape.length && got.every((size, i) => size === shape[i])) return
  const message = `The tensor ${name} has the shape [${got.join(', ')}], but config.json asks for [${shape.join(', ')}].`
  throw new FormatError('TENSOR_SHAPE', message, name)
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
