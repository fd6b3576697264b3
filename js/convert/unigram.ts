/**
 * SentencePiece's unigram models as GGUF metadata, where its tokenizer is called `t5`: from tokenizer.model or tokenizer.json.
 * Source: llama.cpp's conversion/t5.py (keys); tokenizer.json as transformers makes it of such models.
 */
import { FormatError, UnsupportedError } from '../errors.ts'
import type { MetadataEntry } from '../gguf/writer.ts'
import { asObject, asObjects, type Json } from '../util/json.ts'
import type { Warn } from '../util/warn.ts'
import { BYTE, NORMAL, UNKNOWN } from './sentencepiece.ts'
import {
  ADDED_SCORE,
  addedTokens,
  addTokens,
  emptyTokens,
  MARK,
  PADDING_SCORE,
  setToken,
  type TokenList,
  tooMany,
} from './token-list.ts'

export interface Unigram {
  tokens: TokenList
  /** A space is put before a text. */
  addsPrefix: boolean
  /** Runs of spaces become one, and none is left at the ends. */
  mergesSpaces: boolean
  /** SentencePiece's precompiled map of characters; empty where nothing is normalized. */
  charsMap: Uint8Array
}

export function describeUnigram({ tokens, addsPrefix, mergesSpaces, charsMap }: Unigram, warn: Warn): MetadataEntry[] {
  const { texts, scores, types } = tokens
  if (types.includes(BYTE)) {
    const message =
      "The vocabulary has tokens for bytes, which GGUF's t5 tokenizer does not use: a character that is no token becomes unknown."
    warn({ code: 'BYTE_TOKENS', message })
  }
  return [
    { key: 'tokenizer.ggml.model', type: 'string', value: 't5' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: 'default' },
    { key: 'tokenizer.ggml.tokens', type: 'array', of: 'string', value: texts },
    { key: 'tokenizer.ggml.scores', type: 'array', of: 'float32', value: scores },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: types },
    { key: 'tokenizer.ggml.add_space_prefix', type: 'bool', value: addsPrefix },
    { key: 'tokenizer.ggml.remove_extra_whitespaces', type: 'bool', value: mergesSpaces },
    ...(charsMap.length === 0
      ? []
      : [{ key: 'tokenizer.ggml.precompiled_charsmap', type: 'array', of: 'uint8', value: charsMap } as const]),
  ]
}

/** What a llama's files leave unsaid and a `t5` tokenizer has otherwise: special tokens, and which are put around a text. */
export function unigramDefaults({ texts, types }: TokenList, given: readonly MetadataEntry[]): MetadataEntry[] {
  const id = (part: string, value: number): MetadataEntry[] =>
    value < 0 ? [] : [{ key: `tokenizer.ggml.${part}_token_id`, type: 'uint32', value }]
  const bos = texts.indexOf('<s>')
  const all: MetadataEntry[] = [
    ...id('bos', bos),
    ...id('eos', texts.indexOf('</s>')),
    ...id('unknown', types.indexOf(UNKNOWN)),
    { key: 'tokenizer.ggml.add_bos_token', type: 'bool', value: bos >= 0 },
    { key: 'tokenizer.ggml.add_eos_token', type: 'bool', value: false },
  ]
  return all.filter(({ key }) => !given.some((entry) => entry.key === key))
}

/** @throws FormatError for a vocabulary that is damaged; UnsupportedError for steps that GGUF's `t5` does not have */
export function readUnigram(
  tokenizer: Json,
  model: Json,
  settings: Json,
  { vocabulary, warn }: { vocabulary: number; warn: Warn },
): Unigram {
  const tokens = emptyTokens(vocabulary, PADDING_SCORE)
  const pieces: unknown[] = Array.isArray(model.vocab) ? model.vocab : []
  if (pieces.length === 0) throw damaged('has no tokens (model.vocab)', 'model.vocab')
  for (const [id, piece] of pieces.entries()) {
    const [text, score] = Array.isArray(piece) ? piece : []
    if (typeof text !== 'string' || text === '' || !Number.isFinite(score)) {
      throw damaged(`has a token that is no text with a score (${JSON.stringify(piece)})`, piece)
    }
    if (id >= vocabulary) throw tooMany('tokenizer.json', id, vocabulary)
    const isByte = model.byte_fallback === true && /^<0x[0-9A-Fa-f]{2}>$/.test(text)
    setToken(tokens, id, text, score, id === model.unk_id ? UNKNOWN : isByte ? BYTE : NORMAL)
  }
  addTokens(tokens, [...addedTokens(settings), ...addedTokens(tokenizer)], ADDED_SCORE, warn)
  return { tokens, ...readSteps(tokenizer, warn) }
}

/** What normalizer and pre_tokenizer do with spaces and characters. */
function readSteps(tokenizer: Json, warn: Warn): Omit<Unigram, 'tokens'> {
  const all = (step: Json): Json[] =>
    step.type === 'Sequence' ? [...asObjects(step.normalizers), ...asObjects(step.pretokenizers)].flatMap(all) : [step]
  const steps = asObjects([tokenizer.normalizer, tokenizer.pre_tokenizer]).flatMap(all)
  const found: Omit<Unigram, 'tokens'> = { addsPrefix: false, mergesSpaces: false, charsMap: new Uint8Array() }
  const others: string[] = []
  for (const {
    type,
    precompiled_charsmap: map,
    prepend_scheme: scheme,
    add_prefix_space: add,
    content,
    pattern,
  } of steps) {
    const isSpace = content === ' ' || content === MARK
    if (type === 'Precompiled') found.charsMap = decode(map)
    else if (type === 'Metaspace') found.addsPrefix = scheme !== 'never' && add !== false
    else if (type === 'Prepend') found.addsPrefix = true
    else if (type === 'Strip' || type === 'WhitespaceSplit') found.mergesSpaces = true
    else if (type === 'Replace' && isSpace && asObject(pattern)?.Regex === ' {2,}') found.mergesSpaces = true
    else if (!(type === 'Replace' && isSpace && asObject(pattern)?.String === ' ')) others.push(String(type))
  }
  if (
    asObjects([tokenizer.pre_tokenizer])
      .flatMap(all)
      .some(({ type }) => others.includes(String(type)))
  ) {
    const message = `tokenizer.json cuts texts by ${others.join(', ')}, which GGUF's t5 tokenizer does not.`
    throw new UnsupportedError('HF_PRE_TOKENIZER', message, others)
  }
  if (others.length > 0) {
    const message = `tokenizer.json normalizes texts (${others.join(', ')}), which GGUF does not: unusual characters may be cut otherwise.`
    warn({ code: 'NORMALIZER', message })
  }
  return found
}

function decode(map: unknown): Uint8Array {
  try {
    return Uint8Array.from(atob(String(map ?? '')), (character) => character.charCodeAt(0))
  } catch {
    throw damaged('has a precompiled_charsmap that is no base64', 'precompiled_charsmap')
  }
}

function damaged(what: string, value: unknown): FormatError {
  return new FormatError('HF_TOKENIZER', `tokenizer.json ${what}: download it again.`, value)
}
