/**
 * The vocabulary of a Hugging Face folder as GGUF metadata: a SentencePiece tokenizer.model, or tokenizer.json, whose BPE is
 * SentencePiece's (with byte fallback) or works on bytes. Source: llama.cpp's convert_hf_to_gguf.py (types and scores of
 * tokens, what added tokens become).
 */

import { FormatError, UnsupportedError } from '../errors.ts'
import type { MetadataEntry } from '../gguf/writer.ts'
import type { CriaWarning } from '../util/warn.ts'
import { asObject, asObjects, type Folder, type Json } from './folder.ts'
import { findPreTokenizer } from './hf-pretokenizer.ts'
import { describeChatTemplates, describeSpecialTokens } from './hf-special.ts'
import { BYTE, CONTROL, NORMAL, readSentencePiece, UNUSED, USER_DEFINED } from './sentencepiece.ts'

interface TokenList {
  texts: string[]
  scores: Float32Array
  types: Int32Array
}

/** Scores of what never comes of merging, as llama.cpp has them. */
const PADDING_SCORE = -10000
const ADDED_SCORE = -1000
/** SentencePiece's stand-in for a space. */
const MARK = '\u2581'

export interface VocabularyOptions {
  /** TokenList that the model has: rows of its embedding. */
  vocabulary: number
  pre?: string
  warn: (warning: CriaWarning) => void
}

/** @throws FormatError for files that are missing or contradict each other; UnsupportedError for other tokenizers */
export async function describeVocabulary(
  folder: Folder,
  config: Json,
  options: VocabularyOptions,
): Promise<MetadataEntry[]> {
  const tokenizer = await folder.jsonIfPresent('tokenizer.json')
  const settings = (await folder.jsonIfPresent('tokenizer_config.json')) ?? {}
  const files = { ...(tokenizer && { tokenizer }), settings, config }
  const { vocabulary } = options
  const entries = await describeTokens(folder, files, options)
  const special = describeSpecialTokens(files, vocabulary)
  return [...entries, ...special, ...codeLlama(vocabulary), ...(await describeChatTemplates(folder, settings))]
}

async function describeTokens(
  folder: Folder,
  { tokenizer, settings }: { tokenizer?: Json; settings: Json },
  options: VocabularyOptions,
): Promise<MetadataEntry[]> {
  if (folder.has('tokenizer.model')) return describeSentencePiece(folder, settings, options)
  if (!tokenizer) {
    const message = 'The folder has neither tokenizer.model nor tokenizer.json: download the whole model.'
    throw new FormatError('FILE_MISSING', message, 'tokenizer.json')
  }
  const model = asObject(tokenizer.model) ?? {}
  if (model.type !== 'BPE') {
    const message = `tokenizer.json holds a model of type ${String(model.type)}; cria converts BPE.`
    throw new UnsupportedError('HF_TOKENIZER', message, model.type)
  }
  const normalizers = normalizersOf(tokenizer, model.byte_fallback === true)
  if (normalizers.length > 0) options.warn(normalized('tokenizer.json', normalizers.join(', ')))
  if (model.byte_fallback !== true) return describeByteLevel(tokenizer, model, settings, options)
  const prefix = settings.add_prefix_space ?? (addsPrefix(tokenizer) ? undefined : false)
  return [...spacePrefix(prefix), ...llamaTokens(mergedTokens(tokenizer, model, settings, options.vocabulary))]
}

function llamaTokens({ texts, scores, types }: TokenList): MetadataEntry[] {
  return [
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: 'default' },
    { key: 'tokenizer.ggml.tokens', type: 'array', of: 'string', value: texts },
    { key: 'tokenizer.ggml.scores', type: 'array', of: 'float32', value: scores },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: types },
  ]
}

function spacePrefix(value: unknown): MetadataEntry[] {
  return typeof value === 'boolean' ? [{ key: 'tokenizer.ggml.add_space_prefix', type: 'bool', value }] : []
}

async function describeSentencePiece(
  folder: Folder,
  settings: Json,
  { vocabulary, warn }: VocabularyOptions,
): Promise<MetadataEntry[]> {
  const model = readSentencePiece(await folder.bytes('tokenizer.model'), 'tokenizer.model')
  if (model.normalizer !== 'identity' && model.normalizer !== '') {
    warn(normalized('tokenizer.model', model.normalizer))
  }
  const tokens = emptyTokens(vocabulary, PADDING_SCORE)
  if (model.pieces.length > vocabulary) throw tooMany('tokenizer.model', model.pieces.length, vocabulary)
  for (const [id, { text, score, type }] of model.pieces.entries()) {
    // User-defined pieces are found by merging.
    setToken(tokens, id, text, score, type === USER_DEFINED ? NORMAL : type)
  }
  for (const [text, id] of Object.entries((await folder.jsonIfPresent('added_tokens.json')) ?? {})) {
    if (isId(id, vocabulary)) setToken(tokens, id, text, ADDED_SCORE, USER_DEFINED)
  }
  for (const { id, text, special } of addedTokens(settings)) {
    if (isId(id, vocabulary)) setToken(tokens, id, text, ADDED_SCORE, special ? CONTROL : USER_DEFINED)
  }
  const prefix = settings.add_prefix_space ?? (model.addDummyPrefix ? undefined : false)
  return [...spacePrefix(prefix), ...llamaTokens(tokens)]
}

function normalized(file: string, how: string): CriaWarning {
  const message = `${file} normalizes texts (${how}), which GGUF does not: unusual characters may be cut otherwise.`
  return { code: 'NORMALIZER', message }
}

/** The steps in which tokenizer.json changes texts, but for SentencePiece's marks for spaces, which GGUF makes too. */
function normalizersOf(tokenizer: Json, marksSpaces: boolean): string[] {
  const marks = ({ type, prepend, content, pattern }: Json): boolean =>
    type === 'Prepend' ? prepend === MARK : type === 'Replace' && content === MARK && asObject(pattern)?.String === ' '
  const all = (step: Json): Json[] => (step.type === 'Sequence' ? asObjects(step.normalizers).flatMap(all) : [step])
  const steps = asObjects([tokenizer.normalizer]).flatMap(all)
  return steps.filter((step) => !(marksSpaces && marks(step))).map(({ type }) => String(type))
}

/**
 * SentencePiece's tokens from tokenizer.json, which has an order of merges in place of scores: a token's score falls with
 * the place of the first merge that makes it, so that merging by score goes the same way.
 */
function mergedTokens(tokenizer: Json, model: Json, settings: Json, vocabulary: number): TokenList {
  const tokens = emptyTokens(vocabulary, PADDING_SCORE)
  const ids = readIds(model, vocabulary)
  for (const [text, id] of ids) {
    setToken(tokens, id, text, ADDED_SCORE, /^<0x[0-9A-Fa-f]{2}>$/.test(text) ? BYTE : NORMAL)
  }
  const merges = readMerges(model)
  // After all merges come the tokens that none makes.
  for (const id of ids.values()) tokens.scores[id] = -merges.length - 1
  for (let i = merges.length - 1; i >= 0; i--) {
    const id = ids.get(merges[i]!.join(''))
    if (id !== undefined) tokens.scores[id] = -i
  }
  for (const { id, text, special } of [...addedTokens(settings), ...addedTokens(tokenizer)]) {
    if (!isId(id, vocabulary)) throw tooMany('tokenizer.json', id, vocabulary)
    setToken(tokens, id, text, ADDED_SCORE, special ? CONTROL : USER_DEFINED)
  }
  return tokens
}

/** Whether tokenizer.json puts a space before a text. */
function addsPrefix(tokenizer: Json): boolean {
  const all = (step: Json | undefined): Json[] =>
    step === undefined ? [] : [step, ...[step.normalizers, step.pretokenizers].flatMap(asObjects).flatMap(all)]
  return [...all(asObject(tokenizer.normalizer)), ...all(asObject(tokenizer.pre_tokenizer))].some(
    ({ type, prepend_scheme: scheme, add_prefix_space: add }) =>
      type === 'Prepend' || (type === 'Metaspace' && scheme !== 'never' && add !== false),
  )
}

function describeByteLevel(tokenizer: Json, model: Json, settings: Json, options: VocabularyOptions): MetadataEntry[] {
  const { vocabulary } = options
  const pre = findPreTokenizer(tokenizer, options.pre)
  const tokens = emptyTokens(vocabulary, 0)
  for (const [text, id] of readIds(model, vocabulary)) setToken(tokens, id, text, 0, NORMAL)
  for (const { id, text, special } of [...addedTokens(settings), ...addedTokens(tokenizer)]) {
    if (!isId(id, vocabulary)) throw tooMany('tokenizer.json', id, vocabulary)
    setToken(tokens, id, text, 0, special ? CONTROL : USER_DEFINED)
  }
  // The two parts of a merge are parted by a space; one within them is written as bytes are.
  const merges = readMerges(model).map((pair) => pair.map((part) => part.replaceAll(' ', 'Ġ')).join(' '))
  return [
    { key: 'tokenizer.ggml.model', type: 'string', value: 'gpt2' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: pre },
    { key: 'tokenizer.ggml.tokens', type: 'array', of: 'string', value: tokens.texts },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: tokens.types },
    { key: 'tokenizer.ggml.merges', type: 'array', of: 'string', value: merges },
  ]
}

/** As many tokens as the model has; those that no file names are unused. */
function emptyTokens(count: number, score: number): TokenList {
  return {
    texts: Array.from({ length: count }, (_, id) => `[PAD${id}]`),
    scores: new Float32Array(count).fill(score),
    types: new Int32Array(count).fill(UNUSED),
  }
}

function setToken(tokens: TokenList, id: number, text: string, score: number, type: number): void {
  // The texts of user-defined tokens have spaces as they are.
  tokens.texts[id] = type === USER_DEFINED ? text.replaceAll(MARK, ' ') : text
  tokens.scores[id] = score
  tokens.types[id] = type
}

function isId(id: unknown, vocabulary: number): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabulary
}

/** Of tokenizer_config.json, by id, or of tokenizer.json, a list. */
function addedTokens(json: Json): { id: number; text: string; special: boolean }[] {
  const byId = Object.entries(asObject(json.added_tokens_decoder) ?? {})
  const listed = [
    ...byId.map(([id, token]) => ({ ...asObject(token), id: Number(id) }) as Json),
    ...asObjects(json.added_tokens),
  ]
  return listed.map(({ id, content, special }) => {
    const text = String(content)
    return { id: Number(id), text, special: special === true || looksSpecial(text) }
  })
}

/** Some models call tokens ordinary that are special. Source: llama.cpp. */
function looksSpecial(text: string): boolean {
  return ['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(text) || /^(<\|.*\|>|<｜.*｜>|<unused.*>)$/s.test(text)
}

function readIds(model: Json, vocabulary: number): Map<string, number> {
  const ids = new Map<string, number>()
  for (const [text, id] of Object.entries(asObject(model.vocab) ?? {})) {
    if (!isId(id, vocabulary)) throw tooMany('tokenizer.json', id, vocabulary)
    ids.set(text, id)
  }
  if (ids.size > 0) return ids
  throw new FormatError('HF_TOKENIZER', 'tokenizer.json has no tokens (model.vocab): download it again.', 'model.vocab')
}

/** Pairs of tokens, the first to merge first. */
function readMerges(model: Json): [string, string][] {
  const merges: unknown[] = Array.isArray(model.merges) ? model.merges : []
  return merges.map((merge): [string, string] => {
    const pair: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : []
    const [left, right] = pair
    if (pair.length === 2 && typeof left === 'string' && typeof right === 'string') return [left, right]
    const message = `tokenizer.json has a merge that is no pair of tokens (${JSON.stringify(merge)}): download it again.`
    throw new FormatError('HF_TOKENIZER', message, merge)
  })
}

function tooMany(file: string, id: unknown, vocabulary: number): FormatError {
  const message = `${file} has the token id ${String(id)}, but config.json a vocab_size of ${vocabulary}: they do not belong together.`
  return new FormatError('HF_VOCABULARY', message, id)
}

/** The tokens of Code Llama's infilling. Source: llama.cpp. */
function codeLlama(vocabulary: number): MetadataEntry[] {
  if (vocabulary !== 32016) return []
  return ['prefix', 'suffix', 'middle', 'eot'].map((part, i) => ({
    key: `tokenizer.ggml.${part}_token_id`,
    type: 'uint32',
    value: 32007 + i,
  }))
}
