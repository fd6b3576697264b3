/** The tokens of a vocabulary that is put together from the files of a Hugging Face folder. */
import { FormatError } from '../errors.ts'
import { asObject, asObjects, type Json } from '../util/json.ts'
import type { CriaWarning } from '../util/warn.ts'
import { CONTROL, UNUSED, USER_DEFINED } from './sentencepiece.ts'

export interface TokenList {
  texts: string[]
  scores: Float32Array
  types: Int32Array
}

/** Scores of what never comes of merging, as llama.cpp has them. */
export const PADDING_SCORE = -10000
export const ADDED_SCORE = -1000
/** SentencePiece's stand-in for a space. */
export const MARK = '\u2581'

/** As many tokens as the model has; those that no file names are unused. */
export function emptyTokens(count: number, score: number): TokenList {
  return {
    texts: Array.from({ length: count }, (_, id) => `[PAD${id}]`),
    scores: new Float32Array(count).fill(score),
    types: new Int32Array(count).fill(UNUSED),
  }
}

export function setToken(tokens: TokenList, id: number, text: string, score: number, type: number): void {
  // The texts of user-defined tokens have spaces as they are.
  tokens.texts[id] = type === USER_DEFINED ? text.replaceAll(MARK, ' ') : text
  tokens.scores[id] = score
  tokens.types[id] = type
}

export function isId(id: unknown, vocabulary: number): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabulary
}

export interface AddedToken {
  id: number
  text: string
  special: boolean
}

/** Of tokenizer_config.json, by id, or of tokenizer.json, a list. */
export function addedTokens(json: Json): AddedToken[] {
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

/** Tokens beside the model's own; those beyond its embedding are left out, as in llama.cpp. */
export function addTokens(
  tokens: TokenList,
  added: readonly AddedToken[],
  score: number,
  warn: (warning: CriaWarning) => void,
): void {
  const beyond = added.filter(({ id }) => !isId(id, tokens.texts.length))
  for (const { id, text, special } of added) {
    if (isId(id, tokens.texts.length)) setToken(tokens, id, text, score, special ? CONTROL : USER_DEFINED)
  }
  if (beyond.length === 0) return
  const names = Array.from(new Set(beyond.map(({ text }) => text))).join(', ')
  const message = `The model has ${tokens.texts.length} tokens, and none for the added ${names}: left out.`
  warn({ code: 'ADDED_TOKENS', message })
}

export function tooMany(file: string, id: unknown, vocabulary: number): FormatError {
  const message = `${file} has the token id ${String(id)}, but config.json a vocab_size of ${vocabulary}: they do not belong together.`
  return new FormatError('HF_VOCABULARY', message, id)
}
