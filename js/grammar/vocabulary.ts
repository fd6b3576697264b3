import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { buildTrie, type TokenText, type Trie } from './trie.ts'

/** What a term allows by itself, of one tree. */
export interface Inside {
  /** Tokens that end within the term, or just where it may end while it may also go on. */
  readonly ids: Int32Array
  readonly bits: Uint32Array | undefined
  /** Nodes where the term may end. What is below depends on what follows the term. */
  readonly exits: Int32Array
  /** Of these nodes: the term has to end there. */
  readonly ends: Uint8Array
}

/** What grammars have to know of a vocabulary; made once for each tokenizer. */
export interface GrammarVocabulary {
  readonly size: number
  /** The bytes of each token; none of those that stand for no text. */
  readonly bytes: readonly Uint8Array[]
  readonly endOfGeneration: ReadonlySet<number>
  /** Tokens that stand for no text and do not end generation. */
  readonly textless: readonly number[]
  /** Tokens of at most SHORT bytes, and the others. */
  readonly short: Trie
  readonly long: Trie
  /** What terms allow, by their signature: the strings and numbers of one schema are those of the next. */
  readonly inside: Map<string, Inside>
  /** The ids of a text that stands within another. */
  encode(text: Uint8Array): number[]
}

/** Bytes of a token: few are longer, and no state of a counter tells apart what these do. */
export const SHORT = 16

const vocabularies = new WeakMap<Tokenizer, GrammarVocabulary>()

export function vocabularyOf(tokenizer: Tokenizer): GrammarVocabulary {
  let vocabulary = vocabularies.get(tokenizer)
  if (!vocabulary) {
    vocabulary = makeVocabulary(tokenizer)
    vocabularies.set(tokenizer, vocabulary)
  }
  return vocabulary
}

function makeVocabulary(tokenizer: Tokenizer): GrammarVocabulary {
  const bytes: Uint8Array[] = []
  const endOfGeneration = new Set<number>()
  const textless: number[] = []
  const short: TokenText[] = []
  const long: TokenText[] = []
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const own = tokenizer.tokenBytes(id)
    bytes.push(own)
    if (tokenizer.isEndOfGeneration(id)) endOfGeneration.add(id)
    else if (own.length === 0) textless.push(id)
    // As in llama.cpp, a token whose text begins with NUL is in no mask.
    else if (own[0] !== 0) (own.length <= SHORT ? short : long).push({ id, text: String.fromCharCode(...own) })
  }
  return {
    size: tokenizer.vocabularySize,
    bytes,
    endOfGeneration,
    textless,
    short: buildTrie(short),
    long: buildTrie(long),
    inside: new Map(),
    encode: encoderOf(tokenizer),
  }
}

/** SentencePiece puts a space before a text: the text is encoded after a byte that joins nothing, which is then dropped. */
function encoderOf(tokenizer: Tokenizer): (text: Uint8Array) => number[] {
  const options = { bos: false, special: false }
  if (tokenizer.kind === 'bpe') return (text) => tokenizer.tokenize(text, options)
  const mark = Uint8Array.of(1)
  const dropped = tokenizer.tokenize(mark, options).length
  return (text) => tokenizer.tokenize(Uint8Array.of(...mark, ...text), options).slice(dropped)
}

/** Whether a token begins with a whole character other than NUL: any other is in no mask for its id alone. As in llama.cpp. */
export function isReadable(bytes: Uint8Array): boolean {
  const [first = 0] = bytes
  if (first < 0x80) return first > 0
  if (first < 0xc2 || first > 0xf4) return false
  return bytes.length > (first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3)
}
