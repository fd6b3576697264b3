/** The built-in model with its metadata changed in one way each, as files of people are. */
import { readFileSync } from 'node:fs'
import { readGguf } from '../js/gguf/reader.ts'
import { readEntries } from '../js/gguf/rewrite.ts'
import { type MetadataEntry, type RawEntry, type ScalarType, type ScalarValue, writeGguf } from '../js/gguf/writer.ts'
import { bytesSource } from '../js/source/memory.ts'
import { concat } from './gguf-helpers.ts'

const FILE = readFileSync(new URL('../models/stories260K.gguf', import.meta.url))
const GGUF = await readGguf(bytesSource(FILE))
const ENTRIES = await readEntries(bytesSource(FILE), GGUF)
const LAYERS = 5

/** A key with its new type and value; without them it is absent. */
type Edit = readonly [key: string, type?: ScalarType | `${ScalarType}[]`, value?: ScalarValue | ArrayLike<ScalarValue>]

const variants = new Map<string, readonly Edit[]>()

function add(name: string, ...edits: Edit[]): void {
  if (variants.has(name)) throw new Error(`There are two variants ${name}.`)
  variants.set(name, edits)
}

/** One key with several types and values. */
function values(key: string, type: ScalarType, ...all: ScalarValue[]): void {
  for (const value of all) add(`${key} ${type} ${value}`, [key, type, value])
}

const T = 'tokenizer.ggml.'
for (const part of [
  ...['bos', 'eos', 'eot', 'eom', 'unknown', 'seperator', 'padding', 'mask', 'prefix', 'suffix', 'middle'],
  ...['fim_pre', 'fim_suf', 'fim_mid', 'fim_pad', 'fim_rep', 'fim_sep'],
]) {
  values(`${T}${part}_token_id`, 'uint32', 4294967295, 286)
}
for (const part of ['bos', 'eos', 'unknown']) {
  add(`no ${part}`, [`${T}${part}_token_id`])
  values(`${T}${part}_token_id`, 'uint32', 512)
  values(`${T}${part}_token_id`, 'string', 'x')
  values(`${T}${part}_token_id`, 'float32', 1.5)
}
for (const flag of ['add_bos_token', 'add_eos_token', 'add_space_prefix']) {
  add(`no ${flag}`, [T + flag])
  values(T + flag, 'bool', true, false)
  values(T + flag, 'uint8', 1)
}

const tokens = GGUF.metadata.get(`${T}tokens`) as string[]
const scores = GGUF.metadata.get(`${T}scores`) as Float32Array
const types = GGUF.metadata.get(`${T}token_type`) as Int32Array
const more = <A>(list: ArrayLike<A>, item: A): A[] => [...Array.from(list), item]
const less = <A>(list: ArrayLike<A>): A[] => Array.from(list).slice(0, -1)
for (const [name, type, list, spare] of [
  ['tokens', 'string', tokens, 'spare'],
  ['scores', 'float32', scores, 0],
  ['token_type', 'int32', types, 1],
] as const) {
  const key = T + name
  add(`no ${name}`, [key])
  add(`${name} with one more`, [key, `${type}[]`, more<ScalarValue>(list, spare)])
  add(`${name} with one less`, [key, `${type}[]`, less<ScalarValue>(list)])
  add(`${name} with none`, [key, `${type}[]`, []])
  add(`${name} is a number`, [key, 'uint32', 1])
}
add('scores are int32', [`${T}scores`, 'int32[]', Array.from(scores, Math.trunc)])
add('scores are texts', [`${T}scores`, 'string[]', Array.from(scores, String)])
add('token_type is int8', [`${T}token_type`, 'int8[]', Array.from(types)])
add('tokens are numbers', [`${T}tokens`, 'uint32[]', Array.from(types)])
add('a token without text', [`${T}tokens`, 'string[]', tokens.with(432, '')])
add('a token twice', [`${T}tokens`, 'string[]', tokens.with(300, tokens[301]!)])
add('suppressed tokens', [`${T}suppress_tokens`, 'int32[]', [432, -1, 9999]])
add('suppressed tokens as uint32', [`${T}suppress_tokens`, 'uint32[]', [432]])

for (const model of ['gpt2', 'bert', 'none', 'llama-bpe']) values(`${T}model`, 'string', model)
add('no tokenizer model', [`${T}model`])
add('no pre-tokenizer where there is none to name', [`${T}pre`])
values(`${T}pre`, 'string', 'nonsense')
/** A byte-level vocabulary of the same tokens. */
const bytes: Edit[] = [
  [`${T}model`, 'string', 'gpt2'],
  [`${T}merges`, 'string[]', ['o n', 'u p']],
]
add('bytes, no pre-tokenizer', ...bytes, [`${T}pre`])
for (const pre of ['', 'default', 'llama-bpe', 'nonsense'])
  add(`bytes, pre ${pre}`, ...bytes, [`${T}pre`, 'string', pre])
add('bytes, merges are numbers', ...bytes, [`${T}merges`, 'uint32[]', [1, 2]])
add('bytes, no merges', ...bytes, [`${T}merges`, 'string[]', []])
add('bytes, no special ids', ...bytes, [`${T}bos_token_id`], [`${T}eos_token_id`], [`${T}unknown_token_id`])
for (const part of ['bos', 'eos', 'unknown']) {
  add(`bytes, ${part} beyond`, ...bytes, [`${T}${part}_token_id`, 'uint32', 4294967295])
}
add('unigram', [`${T}model`, 'string', 't5'])
add('unigram, no EOS', [`${T}model`, 'string', 't5'], [`${T}add_eos_token`, 'bool', false], [`${T}eos_token_id`])

const L = 'llama.'
for (const key of [
  ...['context_length', 'embedding_length', 'block_count', 'feed_forward_length', 'vocab_size', 'attention.head_count'],
  ...['attention.head_count_kv', 'rope.dimension_count', 'rope.freq_base', 'attention.layer_norm_rms_epsilon'],
]) {
  const value = GGUF.metadata.get(L + key) as number
  add(`no ${key}`, [L + key])
  values(L + key, 'string', String(value))
  add(`${key} is an array of one`, [L + key, 'uint32[]', [Math.max(1, value)]])
  if (value < 1) continue
  values(L + key, 'int32', value)
  values(L + key, 'uint64', value)
  values(L + key, 'uint32', 0, 7)
}
for (const [key, value] of [
  ['attention.head_count', 8],
  ['attention.head_count_kv', 4],
  ['feed_forward_length', 172],
] as const) {
  for (const length of [LAYERS, LAYERS - 1, LAYERS + 1]) {
    add(`${key} of ${length} layers`, [L + key, 'uint32[]', new Array(length).fill(value)])
  }
  add(`${key} of layers, signed`, [L + key, 'int32[]', new Array(LAYERS).fill(value)])
  add(`${key} of layers, of which one differs`, [
    L + key,
    'uint32[]',
    [...new Array(LAYERS - 1).fill(value), value / 2],
  ])
}
for (const key of ['attention.key_length', 'attention.value_length']) values(L + key, 'uint32', 8, 16)
for (const key of ['attention.scale', 'logit_scale', 'attn_logit_softcapping', 'rope.freq_base_swa']) {
  values(L + key, 'float32', 2, 0)
}
values(`${L}attention.sliding_window`, 'uint32', 4)
values(`${L}attention.causal`, 'bool', true, false)
add('rope.dimension_sections', [`${L}rope.dimension_sections`, 'int32[]', [1, 1, 1, 1]])
values(`${L}rope.dimension_count`, 'uint32', 4)
values(`${L}rope.freq_base`, 'float32', 500, 0, -1)
values(`${L}rope.scale_linear`, 'float32', 4, 0)
values(`${L}rope.scaling.factor`, 'float32', 4, 0, -1)
add('both factors', [`${L}rope.scale_linear`, 'float32', 2], [`${L}rope.scaling.factor`, 'float32', 4])
const factor: Edit = [`${L}rope.scaling.factor`, 'float32', 4]
for (const type of ['none', 'linear', 'yarn', 'longrope', 'nonsense', '']) {
  add(`rope.scaling.type ${type}`, [`${L}rope.scaling.type`, 'string', type], factor)
}
add(
  'all of YaRN',
  [`${L}rope.scaling.type`, 'string', 'yarn'],
  factor,
  [`${L}rope.scaling.original_context_length`, 'uint32', 128],
  [`${L}rope.scaling.attn_factor`, 'float32', 0.7],
  [`${L}rope.scaling.yarn_beta_fast`, 'float32', 10],
  [`${L}rope.scaling.yarn_beta_slow`, 'float32', 2],
  [`${L}rope.scaling.yarn_ext_factor`, 'float32', 0.5],
  [`${L}rope.scaling.yarn_attn_factor`, 'float32', 0.5],
  [`${L}rope.scaling.yarn_log_multiplier`, 'float32', 0.1],
)
values(`${L}expert_count`, 'uint32', 0, 2)
values(`${L}nextn_predict_layers`, 'uint32', 0)
values('general.architecture', 'string', 'bert', 'nonsense')
add('no architecture', ['general.architecture'])
values('general.type', 'string', 'model', 'nonsense')
values('general.file_type', 'uint64', 1)
values('general.alignment', 'uint32', 64)

function entryOf([key, type, value]: Edit): MetadataEntry {
  if (!type!.endsWith('[]')) return { key, type: type as ScalarType, value: value as ScalarValue }
  return { key, type: 'array', of: type!.slice(0, -2) as ScalarType, value: value as ArrayLike<ScalarValue> }
}

export const NAMES: readonly string[] = [...variants.keys()]

/** The bytes of a variant. */
export function variant(name: string): Promise<Uint8Array> {
  return edited(...variants.get(name)!)
}

/** The bytes of the model with these edits; of several of a key the last counts. */
export function edited(...edits: readonly Edit[]): Promise<Uint8Array> {
  const entries = new Map<string, MetadataEntry | RawEntry>(ENTRIES.map(({ key, raw }) => [key, { key, raw }]))
  for (const edit of edits) {
    if (edit[1] === undefined) entries.delete(edit[0])
    else entries.set(edit[0], entryOf(edit))
  }
  const tensors = Array.from(GGUF.tensors.values(), (info) => ({
    ...info,
    data: () => [FILE.subarray(info.offset, info.offset + info.bytes)],
  }))
  return concat(writeGguf([...entries.values()], tensors))
}
