import { FormatError, UnsupportedError } from '../errors.ts'
import type { Metadata } from '../gguf/types.ts'
import type { Warn } from '../util/warn.ts'
import { BYTE, CONTROL, NORMAL, RSTRIP, UNKNOWN, UNUSED, USER_DEFINED } from './attributes.ts'
import { type PreTokenizer, preTokenizer } from './pretokenizers.ts'
import { type FimIds, nameSpecialTokens, type SpecialIds } from './special-tokens.ts'

/** By the codes of `tokenizer.ggml.token_type`. */
const ATTRIBUTES = [0, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE]

/** SentencePiece's byte pair encoding, byte-level byte pair encoding, SentencePiece's unigram model. */
export type VocabularyKind = 'spm' | 'bpe' | 'ugm'

export interface Vocabulary {
  readonly kind: VocabularyKind
  readonly tokens: readonly string[]
  /** The id of each text; the lowest of several. */
  readonly ids: ReadonlyMap<string, number>
  /** Bits a token: NORMAL, CONTROL … */
  readonly attributes: Uint8Array
  readonly special: SpecialIds
  readonly fim: FimIds
  readonly endOfGeneration: ReadonlySet<number>
  /** Ids that are never to be generated. */
  readonly suppressed: readonly number[]
  readonly addBos: boolean
  readonly addEos: boolean
  readonly addSpacePrefix: boolean
  /** Of kinds spm and ugm: a log probability a token. */
  readonly scores: ArrayLike<number>
  /** Of kind bpe: pairs `left right`, the first to merge first. */
  readonly merges: readonly string[]
  readonly preTokenizer: PreTokenizer
  /** Of kind ugm: runs of spaces become one, and none is left at the ends. */
  readonly mergeSpaces: boolean
  /** Of kind ugm: SentencePiece's precompiled map of what texts are normalized to; empty where there is none. */
  readonly charsMap: Uint8Array
}

/** What holds where a file says nothing else. Source: llama.cpp's src/llama-vocab.cpp. */
interface VocabularyDefaults extends Partial<SpecialIds> {
  readonly kind: VocabularyKind
  readonly addBos?: true
  readonly addEos?: true
  readonly addSpacePrefix?: true
}

/** By `tokenizer.ggml.model`. */
const MODELS: Readonly<Record<string, VocabularyDefaults>> = {
  llama: { kind: 'spm', bos: 1, eos: 2, unk: 0, addBos: true, addSpacePrefix: true },
  gpt2: { kind: 'bpe', bos: 11, eos: 11 },
  t5: { kind: 'ugm', eos: 1, unk: 2, pad: 0, addEos: true },
}

const PREFIX = 'tokenizer.ggml.'
/** What is before `_token_id` in keys. */
const ID_KEYS =
  'bos eos eot eom unknown seperator padding mask fim_pre fim_suf fim_mid fim_pad fim_rep fim_sep prefix suffix middle'

/** Whether a file has a vocabulary: some say that they have none. */
export function hasVocabulary(metadata: Metadata): boolean {
  const model = metadata.get(`${PREFIX}model`)
  return model !== undefined && model !== 'none' && model !== 'no_vocab'
}

/**
 * Reads a vocabulary from GGUF metadata and checks it.
 *
 * @param warn hears of what is wrong and can be helped
 * @throws UnsupportedError for a tokenizer model or pre-tokenizer that cria does not have
 * @throws FormatError for keys that are absent, of the wrong type, of the wrong length or out of range
 */
export function readVocabulary(metadata: Metadata, warn: Warn = () => {}): Vocabulary {
  const model = requireString(metadata, 'model')
  const defaults = Object.hasOwn(MODELS, model) ? MODELS[model] : undefined
  if (!defaults) {
    throw new UnsupportedError(
      'TOKENIZER_MODEL',
      `The tokenizer model '${model}' is not supported: 'llama' and 't5' (SentencePiece's BPE and Unigram) and 'gpt2' (byte-level BPE) are.`,
      model,
    )
  }
  const { kind } = defaults
  const tokens = readTokens(metadata, warn)
  const ids = new Map<string, number>()
  for (let id = tokens.length - 1; id >= 0; id--) ids.set(tokens[id]!, id)
  const attributes = readAttributes(metadata, tokens.length)
  const pre = readPreTokenizer(metadata, kind, warn)
  // Source: llama.cpp.
  const glm = /^(chatglm-bpe|glm[45])$/.test(optionalString(metadata, `${PREFIX}pre`) ?? '')
  const given = readIds(metadata, tokens.length, glm ? { ...defaults, bos: undefined } : defaults, warn)
  const idOf = (key: string): number | undefined => given.get(key)
  const special = {
    bos: idOf('bos'),
    eos: idOf('eos'),
    eot: idOf('eot'),
    eom: idOf('eom'),
    unk: idOf('unknown'),
    sep: idOf('seperator'),
    pad: idOf('padding'),
  }
  const named = nameSpecialTokens(ids, attributes, special, idOf)
  if (/phi-?3/i.test(optionalString(metadata, 'general.name') ?? '')) stripAfterSpecial(tokens, ids, attributes)
  const addBos =
    flag(metadata, 'add_bos_token') ?? (special.bos !== undefined && (defaults.addBos ?? pre.addBos) === true)
  const addEos = flag(metadata, 'add_eos_token') ?? (special.eos !== undefined && defaults.addEos === true)
  if (addBos && special.bos === undefined) throw bad('add_bos_token', 'is true, but there is no bos_token_id', true)
  if (addEos && special.eos === undefined) throw bad('add_eos_token', 'is true, but there is no eos_token_id', true)
  if (kind === 'bpe') {
    const absent = (addBos ? ['bos', 'eos'] : ['eos']).filter((key) => !metadata.has(`${PREFIX}${key}_token_id`))
    for (const key of absent) {
      const message = `The file has no ${PREFIX}${key}_token_id: token ${given.get(key)} stands in.`
      if (given.has(key)) warn({ code: 'TOKEN_ID', message })
    }
  }
  return {
    kind,
    tokens,
    ids,
    attributes,
    special: { ...special, eot: named.eot, eom: named.eom },
    fim: named.fim,
    endOfGeneration: named.endOfGeneration,
    suppressed: Array.from(numbers(metadata, 'suppress_tokens') ?? []).filter((id) => isId(id, tokens.length)),
    addBos,
    addEos,
    addSpacePrefix: flag(metadata, 'add_space_prefix') ?? defaults.addSpacePrefix === true,
    scores: kind === 'bpe' ? [] : (numbers(metadata, 'scores', tokens.length) ?? new Float32Array(tokens.length)),
    merges: kind === 'bpe' ? requireStrings(metadata, 'merges') : [],
    preTokenizer: pre,
    mergeSpaces: flag(metadata, 'remove_extra_whitespaces') ?? false,
    charsMap: kind === 'ugm' ? readCharsMap(metadata) : new Uint8Array(),
  }
}

/** The texts of tokens; those of empty ones say so, as in llama.cpp. */
function readTokens(metadata: Metadata, warn: Warn): string[] {
  const tokens = requireStrings(metadata, 'tokens')
  if (tokens.length === 0) throw bad('tokens', 'is empty', 0)
  const empty = tokens.filter((text) => text === '').length
  if (empty === 0) return tokens
  warn({ code: 'TOKENS_EMPTY', message: `Of the vocabulary's ${tokens.length} tokens ${empty} have no text.` })
  return tokens.map((text, id) => text || `[EMPTY_${id}]`)
}

function readPreTokenizer(metadata: Metadata, kind: VocabularyKind, warn: Warn): PreTokenizer {
  const given = kind === 'bpe' ? optionalString(metadata, `${PREFIX}pre`) : 'default'
  if (!given) {
    const message =
      'The file names no pre-tokenizer (tokenizer.ggml.pre): the default one may cut texts otherwise than in training. Get a newer file.'
    warn({ code: 'TOKENIZER_PRE', message })
  }
  const name = given || 'default'
  const pre = preTokenizer(name)
  if (pre) return pre
  throw new UnsupportedError(
    'TOKENIZER_PRE',
    `The pre-tokenizer '${name}' (tokenizer.ggml.pre) is not supported: this model's text cannot be cut into tokens.`,
    name,
  )
}

function readAttributes(metadata: Metadata, count: number): Uint8Array {
  const attributes = new Uint8Array(count).fill(NORMAL)
  const types = numbers(metadata, 'token_type', count)
  if (types) for (let id = 0; id < count; id++) attributes[id] = ATTRIBUTES[types[id]!] ?? 0
  return attributes
}

function isId(id: number, count: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < count
}

/** Ids of special tokens by their keys; where the file has none, or one beyond its vocabulary, those of its tokenizer model. */
function readIds(metadata: Metadata, count: number, defaults: VocabularyDefaults, warn: Warn): Map<string, number> {
  const { bos, eos, unk: unknown, pad: padding } = defaults
  const ids = new Map<string, number>()
  for (const [key, id] of Object.entries({ bos, eos, unknown, padding })) {
    if (id !== undefined && id < count) ids.set(key, id)
  }
  for (const key of ID_KEYS.split(' ')) {
    const name = `${key}_token_id`
    const value = metadata.get(PREFIX + name)
    if (value === undefined) continue
    if (typeof value !== 'number' || !Number.isInteger(value)) throw bad(name, 'is not an integer', value)
    if (isId(value, count)) ids.set(key, value)
    else {
      const usual = ids.get(key)
      const instead = usual === undefined ? 'there is none' : `token ${usual} stands in`
      const message = `The metadata key ${PREFIX}${name} is ${value}, but the vocabulary has ids 0 to ${count - 1}: ${instead}.`
      warn({ code: 'TOKEN_ID', message })
    }
  }
  return ids
}

/** @throws FormatError where the map's size does not fit */
function readCharsMap(metadata: Metadata): Uint8Array {
  const map = metadata.get(`${PREFIX}precompiled_charsmap`) ?? new Uint8Array()
  if (map instanceof Uint8Array || map instanceof Int8Array) {
    const { buffer, byteOffset, length } = map
    if (length === 0 || (length > 4 && new DataView(buffer, byteOffset).getUint32(0, true) + 4 < length)) {
      return new Uint8Array(buffer, byteOffset, length)
    }
  }
  throw bad('precompiled_charsmap', 'is no map of characters', typeof map)
}

/** Phi-3's special tokens swallow the white space after them; GGUF does not say so. Source: llama.cpp. */
function stripAfterSpecial(tokens: readonly string[], ids: ReadonlyMap<string, number>, attributes: Uint8Array): void {
  for (let id = 0; id < tokens.length; id++) {
    if (attributes[id]! & (CONTROL | USER_DEFINED | UNKNOWN)) attributes[id]! |= RSTRIP
  }
  const end = ids.get('</s>')
  if (end !== undefined) attributes[end]! |= RSTRIP
  for (const text of ['<unk>', '<s>', '<|endoftext|>']) {
    const id = ids.get(text)
    if (id !== undefined) attributes[id]! &= ~RSTRIP
  }
}

function bad(key: string, what: string, value: unknown): FormatError {
  const message = `The metadata key ${PREFIX}${key} ${what}: the file's vocabulary is unusable.`
  return new FormatError('TOKENIZER_METADATA', message, value)
}

function optionalString(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)
  if (value === undefined || typeof value === 'string') return value
  throw new FormatError('TOKENIZER_METADATA', `The metadata key ${key} is not a string.`, value)
}

function requireString(metadata: Metadata, key: string): string {
  const value = optionalString(metadata, PREFIX + key)
  if (value === undefined) throw bad(key, 'is absent', PREFIX + key)
  return value
}

function flag(metadata: Metadata, key: string): boolean | undefined {
  const value = metadata.get(PREFIX + key)
  if (value === undefined || typeof value === 'boolean') return value
  throw bad(key, 'is not a boolean', value)
}

function requireStrings(metadata: Metadata, key: string): string[] {
  const value = metadata.get(PREFIX + key)
  if (value === undefined) throw bad(key, 'is absent', PREFIX + key)
  if (!Array.isArray(value) || (value.length > 0 && typeof value[0] !== 'string')) {
    throw bad(key, 'is not an array of strings', typeof value)
  }
  return value as string[]
}

/** An array of numbers, at least `count` of them; undefined where it is absent. */
function numbers(metadata: Metadata, key: string, count = 0): ArrayLike<number> | undefined {
  const value = metadata.get(PREFIX + key)
  if (value === undefined) return undefined
  if (!ArrayBuffer.isView(value) || value instanceof BigInt64Array || value instanceof BigUint64Array) {
    throw bad(key, 'is not an array of numbers', typeof value)
  }
  if (value.length < count) throw bad(key, `has ${value.length} entries for ${count} tokens`, value.length)
  return value
}
