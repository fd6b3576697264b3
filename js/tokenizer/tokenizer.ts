import { ArgumentError } from '../errors.ts'
import type { Metadata } from '../gguf/types.ts'
import { expose } from '../util/caller.ts'
import { checkOptions, checkTypes, type OptionNames } from '../util/check.ts'
import { wellFormed } from '../util/unicode.ts'
import type { Warn } from '../util/warn.ts'
import { BYTE, CONTROL, NORMAL, RSTRIP, UNKNOWN, USER_DEFINED } from './attributes.ts'
import { byteLevelEncoder } from './bpe.ts'
import { byteOfHexToken, bytesOfVisible, SPACE_MARK, utf8 } from './bytes.ts'
import { escapeBytes, readEscaped } from './raw-bytes.ts'
import { type SpecialToken, SpecialTokens } from './special.ts'
import type { FimIds } from './special-tokens.ts'
import { sentencePieceEncoder } from './spm.ts'
import { unigramEncoder } from './ugm.ts'
import { readVocabulary, type Vocabulary, type VocabularyKind } from './vocabulary.ts'

export interface TokenizeOptions {
  /** Parse special tokens in the text; default true. */
  special?: boolean
  /** Add BOS (and EOS) as the metadata says (default), or never, or always. */
  bos?: boolean
}

export interface DetokenizeOptions {
  /** Write special tokens out; default false. */
  special?: boolean
  /** The ids go on from others: keep the space that SentencePiece has before a first word; default false. */
  continued?: boolean
}

export interface StreamOptions extends DetokenizeOptions {
  /** The ids go on after others: a leading space is part of the text. Default false. */
  continued?: boolean
}

const TOKENIZE_OPTIONS: OptionNames<TokenizeOptions> = { special: true, bos: true }
const DETOKENIZE_OPTIONS: OptionNames<StreamOptions> = { special: true, continued: true }

/** Turns ids into text one by one, never half a character. */
export interface StreamDecoder {
  /** The text that is complete with this id; often ''. */
  push(id: number): string
  /** What is left: U+FFFD for a character that was cut short. */
  flush(): string
}

export interface Tokenizer {
  readonly kind: VocabularyKind
  readonly vocabularySize: number
  readonly bos: number | undefined
  readonly eos: number | undefined
  readonly eot: number | undefined
  readonly eom: number | undefined
  readonly unk: number | undefined
  readonly sep: number | undefined
  readonly pad: number | undefined
  readonly fim: FimIds
  /**
   * The ids of a text. Special tokens in the text count as such unless `special` is false; user-defined tokens always
   * do. `bos`: true puts BOS first, false leaves BOS and EOS out, undefined does as the metadata says. Lone surrogates
   * are read as U+FFFD. Of bytes those that are no UTF-8 are read as llama.cpp reads them.
   *
   * @throws ArgumentError for what is neither text nor bytes, and with `bos: true` where the vocabulary has no BOS
   */
  tokenize(text: string | Uint8Array, options?: TokenizeOptions): number[]
  /**
   * The text of ids. Control tokens are left out unless `special`. Bytes that are no UTF-8 become U+FFFD. The space that
   * a SentencePiece vocabulary puts before a text is dropped, at the start and after a leading BOS.
   *
   * @throws ArgumentError for what is no array of ids, and for an id out of range
   */
  detokenize(ids: readonly number[], options?: StreamOptions): string
  /** As {@link detokenize}, id by id; the pieces together are its result. */
  /** @param shown control tokens whose texts are part of the text all the same */
  stream(options?: StreamOptions, shown?: ReadonlySet<number>): StreamDecoder
  /** The bytes that a token adds to the text; none for a control token unless `special`. */
  tokenBytes(id: number, options?: DetokenizeOptions): Uint8Array
  /** The token as the vocabulary writes it: `▁the`, `Ġthe`, `<0x0A>`. */
  tokenText(id: number): string
  /** Whether generation should stop at this token. */
  isEndOfGeneration(id: number): boolean
  /** Ids that are never to be generated: those that the file names, and with `ignoreEos` those that end generation. */
  banned(ignoreEos?: boolean): ReadonlySet<number>
}

/**
 * The tokenizer of a GGUF file, from its `tokenizer.ggml.*` metadata.
 *
 * @throws UnsupportedError for a tokenizer model or pre-tokenizer that cria does not have
 * @throws FormatError for a vocabulary that is incomplete or contradicts itself
 * @param warn hears of what is wrong with it and can be helped
 * @internal
 */
export function createTokenizer(metadata: Metadata, warn?: Warn): Tokenizer {
  return new GgufTokenizer(readVocabulary(metadata, warn))
}

const SPACE_BYTE = 0x20

const ENCODERS = { spm: sentencePieceEncoder, bpe: byteLevelEncoder, ugm: unigramEncoder }

interface Encoder {
  /** Special tokens to look for: all of them, and those that are looked for in any case. */
  readonly all: SpecialTokens
  readonly userDefined: SpecialTokens
  /** Appends the ids of a text without special tokens. */
  encode(text: string, ids: number[]): void
}

function createEncoder(vocabulary: Vocabulary): Encoder {
  const { attributes } = vocabulary
  const find = (wanted: (bits: number) => number | boolean): SpecialTokens => {
    const found: SpecialToken[] = []
    for (const [id, text] of vocabulary.tokens.entries()) {
      const bits = attributes[id]!
      if (wanted(bits)) found.push({ id, text, rstrip: !!(bits & RSTRIP) })
    }
    return new SpecialTokens(found)
  }
  return {
    all: find((bits) => bits & (CONTROL | UNKNOWN | USER_DEFINED)),
    userDefined: find((bits) => bits & USER_DEFINED && !(bits & (CONTROL | UNKNOWN))),
    encode: ENCODERS[vocabulary.kind](vocabulary),
  }
}

class GgufTokenizer implements Tokenizer {
  readonly kind: VocabularyKind
  readonly vocabularySize: number
  /** Made when the first text is tokenized: whoever only turns ids into text does without. */
  private encoder: Encoder | undefined

  constructor(private readonly vocabulary: Vocabulary) {
    this.kind = vocabulary.kind
    this.vocabularySize = vocabulary.tokens.length
    expose(this, 'Tokenizer', ['kind', 'vocabularySize'])
  }

  get bos(): number | undefined {
    return this.vocabulary.special.bos
  }
  get eos(): number | undefined {
    return this.vocabulary.special.eos
  }
  get eot(): number | undefined {
    return this.vocabulary.special.eot
  }
  get eom(): number | undefined {
    return this.vocabulary.special.eom
  }
  get unk(): number | undefined {
    return this.vocabulary.special.unk
  }
  get sep(): number | undefined {
    return this.vocabulary.special.sep
  }
  get pad(): number | undefined {
    return this.vocabulary.special.pad
  }
  get fim(): FimIds {
    return this.vocabulary.fim
  }

  tokenize(text: string | Uint8Array, options: TokenizeOptions = {}): number[] {
    const bytes = text instanceof Uint8Array
    if (typeof text !== 'string' && !bytes) {
      throw new ArgumentError(
        'INVALID_TEXT',
        `The text to tokenize must be a string or bytes, not ${typeof text}.`,
        text,
      )
    }
    checkOptions(options, TOKENIZE_OPTIONS)
    checkTypes(options, 'boolean', Object.keys(TOKENIZE_OPTIONS))
    const { special = true, bos } = options
    const { addBos, addEos, addSpacePrefix, special: ids } = this.vocabulary
    const out: number[] = []
    if (bos ?? addBos) {
      if (ids.bos === undefined) {
        throw new ArgumentError('NO_BOS', 'This vocabulary has no BOS token; leave `bos` out or set it to false.', bos)
      }
      out.push(ids.bos)
    }
    this.encoder ??= createEncoder(this.vocabulary)
    const { all, userDefined, encode } = this.encoder
    // llama.cpp heeds the flag in SentencePiece alone; byte-level files have it by mistake.
    const prefix = addSpacePrefix && this.kind === 'spm'
    let afterSpecial = true
    for (const fragment of (special ? all : userDefined).split(bytes ? escapeBytes(text) : wellFormed(text))) {
      if (typeof fragment === 'number') out.push(fragment)
      else {
        const prefixed = prefix && afterSpecial ? ` ${fragment}` : fragment
        encode(bytes ? readEscaped(prefixed, this.kind) : prefixed, out)
      }
      afterSpecial = typeof fragment === 'number'
    }
    if (addEos && bos !== false && ids.eos !== undefined) out.push(ids.eos)
    return out
  }

  detokenize(ids: readonly number[], options: StreamOptions = {}): string {
    if (!Array.isArray(ids) && !(ArrayBuffer.isView(ids) && Symbol.iterator in ids)) {
      throw new ArgumentError('INVALID_TOKENS', 'Token ids must be an array of numbers.', ids)
    }
    const decoder = this.stream(options)
    let text = ''
    for (const id of ids) text += decoder.push(id)
    return text + decoder.flush()
  }

  stream(options: StreamOptions = {}, shown?: ReadonlySet<number>): StreamDecoder {
    checkOptions(options, DETOKENIZE_OPTIONS)
    checkTypes(options, 'boolean', Object.keys(DETOKENIZE_OPTIONS))
    const { special = false, continued = false } = options
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    let dropSpace = this.vocabulary.addSpacePrefix && !continued
    return {
      push: (id) => {
        let bytes = this.bytesOf(id, special || shown?.has(id) === true)
        if (dropSpace && this.vocabulary.attributes[id]! & NORMAL && bytes[0] === SPACE_BYTE) bytes = bytes.subarray(1)
        if (id !== this.bos) dropSpace = false
        return decoder.decode(bytes, { stream: true })
      },
      flush: () => decoder.decode(),
    }
  }

  tokenBytes(id: number, options: DetokenizeOptions = {}): Uint8Array {
    checkOptions(options, DETOKENIZE_OPTIONS)
    checkTypes(options, 'boolean', Object.keys(DETOKENIZE_OPTIONS))
    return this.bytesOf(id, options.special ?? false)
  }

  private bytesOf(id: number, special: boolean): Uint8Array {
    const text = this.tokenText(id)
    const attributes = this.vocabulary.attributes[id]!
    if (attributes & (CONTROL | UNKNOWN)) return special ? utf8(text) : new Uint8Array()
    if (attributes & USER_DEFINED) return utf8(text)
    if (attributes & BYTE) {
      const byte = byteOfHexToken(text)
      return byte === undefined ? utf8(text) : Uint8Array.of(byte)
    }
    if (!(attributes & NORMAL)) return new Uint8Array()
    return this.kind === 'bpe' ? bytesOfVisible(text) : utf8(text.replaceAll(SPACE_MARK, ' '))
  }

  tokenText(id: number): string {
    const text = this.vocabulary.tokens[id]
    if (text !== undefined) return text
    throw new ArgumentError('TOKEN_ID', `There is no token ${id}: ids are 0 to ${this.vocabularySize - 1}.`, id)
  }

  isEndOfGeneration(id: number): boolean {
    return this.vocabulary.endOfGeneration.has(id)
  }

  banned(ignoreEos = false): ReadonlySet<number> {
    const { suppressed, endOfGeneration } = this.vocabulary
    return new Set([...suppressed, ...(ignoreEos ? endOfGeneration : [])])
  }
}
