import { FormatError, UnsupportedError } from '../errors.ts'
import type { Metadata } from '../gguf/types.ts'
import { BYTE, CONTROL, NORMAL, RSTRIP, UNKNOWN, UNUSED, USER_DEFINED } from './attributes.ts'
import { type PreTokenizer, preTokenizer } from './pretokenizers.ts'
import { type FimIds, nameSpecialTokens, type SpecialIds } from './special-tokens.ts'

/** By the codes of `tokenizer.ggml.token_type`. */
const ATTRIBUTES = [0, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE]

export interface Vocabulary {
  readonly kind: 'spm' | 'bpe'
  readonly tokens: readonly string[]
  /** The id of each text; the lowest of several. */
  readonly ids: ReadonlyMap<string, number>
  /** Bits a token: NORMAL, CONTROL … */
  readonly attributes: Uint8Array
  readonly special: SpecialIds
  readonly fim: FimIds
  readonly endOfGeneration: ReadonlySet<number>
  readonly addBos: boolean
  readonly addEos: boolean
  readonly addSpacePrefix: boolean
  /** Of kind spm: a log probability a token. */
  readonly scores: ArrayLike<number>
  /** Of kind bpe: pairs `left right`, the first to merge first. */
  readonly merges: readonly string[]
  readonly preTokenizer: PreTokenizer
}

const PREFIX = 'tokenizer.ggml.'

/**
 * Reads a vocabulary from GGUF metadata and checks it.
 *
 * @throws UnsupportedError for a tokenizer model or pre-tokenizer that cria does not have
 * @throws FormatError for keys that are absent, of the wrong type, of the wrong length or out of range
 */
export function readVocabulary(metadata: Metadata): Vocabulary {
  const model = requireString(metadata, 'model')
  if (model !== 'llama' && model !== 'gpt2') {
    throw new UnsupportedError(
      'TOKENIZER_MODEL',
      `The tokenizer model '${model}' is not supported: only 'llama' (SentencePiece) and 'gpt2' (byte-level BPE) are.`,
      model,
    )
  }
  const kind = model === 'llama' ? 'spm' : 'bpe'
  const tokens = requireStrings(metadata, 'tokens')
  if (tokens.length === 0) throw bad('tokens', 'is empty', 0)
  const ids = new Map<string, number>()
  for (let id = tokens.length - 1; id >= 0; id--) ids.set(tokens[id]!, id)
  ids.delete('')
  const attributes = readAttributes(metadata, tokens.length)
  const special = readSpecialIds(metadata, kind, tokens.length)
  const pre = readPreTokenizer(metadata, kind)
  const named = nameSpecialTokens(ids, attributes, special, (key) => readUnusedId(metadata, key, tokens.length))
  if (/phi-?3/i.test(optionalString(metadata, 'general.name') ?? '')) stripAfterSpecial(tokens, ids, attributes)
  const addBos = flag(metadata, 'add_bos_token')
  const addEos = flag(metadata, 'add_eos_token')
  if (addBos && special.bos === undefined) throw bad('add_bos_token', 'is true, but there is no bos_token_id', true)
  if (addEos && special.eos === undefined) throw bad('add_eos_token', 'is true, but there is no eos_token_id', true)
  return {
    kind,
    tokens,
    ids,
    attributes,
    special: { ...special, eot: named.eot, eom: named.eom },
    fim: named.fim,
    endOfGeneration: named.endOfGeneration,
    addBos: addBos ?? (special.bos !== undefined && (kind === 'spm' || pre.addBos === true)),
    addEos: addEos ?? false,
    addSpacePrefix: flag(metadata, 'add_space_prefix') ?? kind === 'spm',
    scores: kind === 'spm' ? requireNumbers(metadata, 'scores', tokens.length) : [],
    merges: kind === 'bpe' ? requireStrings(metadata, 'merges') : [],
    preTokenizer: pre,
  }
}

function readPreTokenizer(metadata: Metadata, kind: 'spm' | 'bpe'): PreTokenizer {
  const name = (kind === 'bpe' && optionalString(metadata, `${PREFIX}pre`)) || 'default'
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
  if (metadata.has(`${PREFIX}token_type`)) {
    const types = requireNumbers(metadata, 'token_type', count)
    for (let id = 0; id < count; id++) attributes[id] = ATTRIBUTES[types[id]!] ?? 0
  }
  return attributes
}

function readId(metadata: Metadata, key: string, count: number): number | undefined {
  const value = metadata.get(`${PREFIX}${key}_token_id`)
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value)) throw bad(`${key}_token_id`, 'is not an integer', value)
  if (value >= 0 && value < count) return value
  throw bad(`${key}_token_id`, `is ${value}, but the vocabulary has ids 0 to ${count - 1}`, value)
}

/** An id that no text depends on: files in circulation name ids beyond their vocabulary, and count as naming none. */
function readUnusedId(metadata: Metadata, key: string, count: number): number | undefined {
  const value = metadata.get(`${PREFIX}${key}_token_id`)
  return typeof value === 'number' && (value < 0 || value >= count) ? undefined : readId(metadata, key, count)
}

function readSpecialIds(metadata: Metadata, kind: 'spm' | 'bpe', count: number): SpecialIds {
  const read = (key: string) => readId(metadata, key, count)
  // LLaMA's own ids stand in for absent ones; a byte-level vocabulary has no such custom.
  const custom = (id: number) => (kind === 'spm' && id < count ? id : undefined)
  return {
    bos: read('bos') ?? custom(1),
    eos: read('eos') ?? custom(2),
    eot: read('eot'),
    eom: read('eom'),
    unk: read('unknown') ?? custom(0),
    sep: readUnusedId(metadata, 'seperator', count),
    pad: readUnusedId(metadata, 'padding', count),
  }
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

/** An array of `count` numbers. */
function requireNumbers(metadata: Metadata, key: string, count: number): ArrayLike<number> {
  const value = metadata.get(PREFIX + key)
  if (value === undefined) throw bad(key, 'is absent', PREFIX + key)
  if (!ArrayBuffer.isView(value) || value instanceof BigInt64Array || value instanceof BigUint64Array) {
    throw bad(key, 'is not an array of numbers', typeof value)
  }
  if (value.length !== count) throw bad(key, `has ${value.length} entries for ${count} tokens`, value.length)
  return value
}
