/**
 * The vocabulary of a Hugging Face folder as GGUF metadata: a SentencePiece tokenizer.model, or tokenizer.json, whose BPE is
 * SentencePiece's (with byte fallback) or works on bytes, or which is SentencePiece's unigram model. Source: llama.cpp's convert_hf_to_gguf.py (types and scores of
 * tokens, what added tokens become).
 */

import { FormatError, UnsupportedError } from '../errors.ts'
import type { MetadataEntry } from '../gguf/writer.ts'
import { asObject, asObjects, type Json } from '../util/json.ts'
import type { CriaWarning } from '../util/warn.ts'
import type { VocabularyTraits } from './families/family.ts'
import { architectureOf, familyOf } from './families/index.ts'
import type { Folder } from './folder.ts'
import { findPreTokenizer } from './hf-pretokenizer.ts'
import { describeChatTemplates, describeSpecialTokens, readTexts, type TokenizerFiles } from './hf-special.ts'
import {
  BYTE,
  CONTROL,
  NORMAL,
  readSentencePiece,
  type SentencePieceModel,
  UNUSED,
  USER_DEFINED,
} from './sentencepiece.ts'
import {
  ADDED_SCORE,
  addedTokens,
  addTokens,
  emptyTokens,
  isId,
  MARK,
  PADDING_SCORE,
  setToken,
  type TokenList,
  tooMany,
} from './token-list.ts'
import { describeUnigram, readUnigram, type Unigram, unigramDefaults } from './unigram.ts'

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
  const generation = await folder.jsonIfPresent('generation_config.json')
  const files = { ...(tokenizer && { tokenizer }), settings, config, ...(generation && { generation }) }
  const { entries, tokens, spacePrefix, unigram } = await describeTokens(folder, files, options)
  const prefix: MetadataEntry[] =
    spacePrefix === undefined ? [] : [{ key: 'tokenizer.ggml.add_space_prefix', type: 'bool', value: spacePrefix }]
  const special = describeSpecialTokens(files, tokens, options.warn)
  const described = [...special.entries, ...(await describeChatTemplates(folder, settings)), ...special.last]
  const rest = unigram ? [...described, ...unigramDefaults(unigram, described)] : described
  // llama.cpp's converter has the flag in different places; who compares files sees the same order.
  switch (traitsOf(config).spacePrefix) {
    case 'never':
    case 'last':
      return [...entries, ...rest, ...prefix]
    case 'model':
      return [...entries, ...prefix, ...rest]
    default:
      return [...prefix, ...entries, ...rest]
  }
}

function traitsOf(config: Json): VocabularyTraits {
  return familyOf(architectureOf(config))?.vocabulary ?? {}
}

interface Described {
  entries: MetadataEntry[]
  tokens: string[]
  /** Whether a space is put before a text, where the file should say. */
  spacePrefix: boolean | undefined
  /** Of a unigram model. */
  unigram?: TokenList
}

async function describeTokens(folder: Folder, files: TokenizerFiles, options: VocabularyOptions): Promise<Described> {
  const { tokenizer, settings } = files
  const { spacePrefix } = traitsOf(files.config)
  const stated = typeof settings.add_prefix_space === 'boolean' ? settings.add_prefix_space : undefined
  if (folder.has('tokenizer.model')) {
    const { tokens, model } = await sentencePieceTokens(folder, files, options)
    const { addDummyPrefix: addsPrefix } = model
    if (model.unigram) return unigramTokens({ ...model, tokens, addsPrefix }, options)
    const prefix = spacePrefix === 'model' ? addsPrefix : (stated ?? (addsPrefix ? undefined : false))
    return llamaTokens(tokens, spacePrefix === 'never' ? false : prefix)
  }
  if (!tokenizer) {
    const message = 'The folder has neither tokenizer.model nor tokenizer.json: download the whole model.'
    throw new FormatError('FILE_MISSING', message, 'tokenizer.json')
  }
  const model = asObject(tokenizer.model) ?? {}
  if (model.type === 'Unigram') return unigramTokens(readUnigram(tokenizer, model, settings, options), options)
  if (model.type !== 'BPE') {
    const message = `tokenizer.json holds a model of type ${String(model.type)}; cria converts BPE and Unigram.`
    throw new UnsupportedError('HF_TOKENIZER', message, model.type)
  }
  const normalizers = normalizersOf(tokenizer, model.byte_fallback === true)
  if (normalizers.length > 0) options.warn(normalized('tokenizer.json', normalizers.join(', ')))
  if (model.byte_fallback !== true) {
    const described = describeByteLevel(tokenizer, model, files, options)
    // No reader heeds it there.
    return { ...described, spacePrefix: spacePrefix === 'first' ? stated : undefined }
  }
  const prefix = stated ?? (addsPrefix(tokenizer) ? undefined : false)
  return llamaTokens(mergedTokens(tokenizer, model, settings, options), spacePrefix === 'never' ? false : prefix)
}

function unigramTokens(unigram: Unigram, { warn }: VocabularyOptions): Described {
  const { tokens } = unigram
  return { entries: describeUnigram(unigram, warn), tokens: tokens.texts, spacePrefix: undefined, unigram: tokens }
}

function llamaTokens({ texts, scores, types }: TokenList, spacePrefix: boolean | undefined): Described {
  const entries: MetadataEntry[] = [
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: 'default' },
    { key: 'tokenizer.ggml.tokens', type: 'array', of: 'string', value: texts },
    { key: 'tokenizer.ggml.scores', type: 'array', of: 'float32', value: scores },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: types },
  ]
  return { entries, tokens: texts, spacePrefix }
}

async function sentencePieceTokens(
  folder: Folder,
  { tokenizer = {}, settings, config }: TokenizerFiles,
  { vocabulary, warn }: VocabularyOptions,
): Promise<{ tokens: TokenList; model: SentencePieceModel }> {
  const model = readSentencePiece(await folder.bytes('tokenizer.model'), 'tokenizer.model')
  if (!model.unigram && model.normalizer !== 'identity' && model.normalizer !== '') {
    warn(normalized('tokenizer.model', model.normalizer))
  }
  const tokens = emptyTokens(vocabulary, PADDING_SCORE)
  if (model.pieces.length > vocabulary) throw tooMany('tokenizer.model', model.pieces.length, vocabulary)
  const { internlm = false, addsFromJson = false } = traitsOf(config)
  for (const [id, { text, score, type }] of model.pieces.entries()) {
    // User-defined pieces are found by merging.
    const kind = type === USER_DEFINED ? NORMAL : type
    // A NUL ends a text where llama.cpp reads it; the dragon stands in for it there, too.
    if (internlm && text === '\0') setToken(tokens, id, '🐉', score, kind)
    else setToken(tokens, id, text, score, internlm && text.startsWith('[UNUSED') ? UNUSED : kind)
  }
  const listed = Object.entries((await folder.jsonIfPresent('added_tokens.json')) ?? {})
  const added = [
    ...listed.map(([text, id]) => ({ id: Number(id), text, special: false })),
    ...addedTokens(settings),
    ...(addsFromJson ? addedTokens(tokenizer) : []),
  ]
  addTokens(tokens, added, ADDED_SCORE, warn)
  return { tokens, model }
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
function mergedTokens(
  tokenizer: Json,
  model: Json,
  settings: Json,
  { vocabulary, warn }: VocabularyOptions,
): TokenList {
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
  addTokens(tokens, [...addedTokens(settings), ...addedTokens(tokenizer)], ADDED_SCORE, warn)
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

function describeByteLevel(
  tokenizer: Json,
  model: Json,
  files: TokenizerFiles,
  { vocabulary, pre: given }: VocabularyOptions,
): Pick<Described, 'entries' | 'tokens'> {
  const pre = findPreTokenizer(tokenizer, {
    given,
    architecture: architectureOf(files.config),
    addsBos: readTexts(files).adds.get('bos') === true,
  })
  const tokens = emptyTokens(vocabulary, 0)
  for (const [text, id] of readIds(model, vocabulary)) setToken(tokens, id, text, 0, NORMAL)
  for (const { id, text, special } of [...addedTokens(files.settings), ...addedTokens(tokenizer)]) {
    if (!isId(id, vocabulary)) throw tooMany('tokenizer.json', id, vocabulary)
    setToken(tokens, id, text, 0, special ? CONTROL : USER_DEFINED)
  }
  // The two parts of a merge are parted by a space; one within them is written as bytes are.
  const merges = readMerges(model).map((pair) => pair.map((part) => part.replaceAll(' ', 'Ġ')).join(' '))
  const entries: MetadataEntry[] = [
    { key: 'tokenizer.ggml.model', type: 'string', value: 'gpt2' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: pre },
    { key: 'tokenizer.ggml.tokens', type: 'array', of: 'string', value: tokens.texts },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: tokens.types },
    { key: 'tokenizer.ggml.merges', type: 'array', of: 'string', value: merges },
  ]
  return { entries, tokens: tokens.texts }
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
