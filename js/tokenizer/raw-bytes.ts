/**
 * Bytes that are no UTF-8, read as llama.cpp reads them: SentencePiece writes them as byte tokens, other vocabularies see
 * U+FFFD. Source: llama.cpp, src/unicode.cpp and llm_tokenizer_spm in src/llama-vocab.cpp.
 */
import { SPACE_MARK, utf8 } from './bytes.ts'
import type { VocabularyKind } from './vocabulary.ts'

/** A byte as a lone surrogate, which no text has (Python's surrogateescape, PEP 383). */
const ESCAPE = 0xdc00
const ESCAPED = /[\udc00-\udcff]/u

/** Bytes as a text, with those that are no UTF-8 escaped. */
export function escapeBytes(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decoded = (part: Uint8Array): string | undefined => {
    try {
      return decoder.decode(part)
    } catch {
      return undefined
    }
  }
  const whole = decoded(bytes)
  if (whole !== undefined) return whole
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const character = decoded(bytes.subarray(at, at + lengthBy(bytes[at]!)))
    text += character ?? String.fromCharCode(ESCAPE + bytes[at]!)
    at += character === undefined ? 1 : lengthBy(bytes[at]!)
  }
  return text
}

/** The length of a character by its first byte alone. */
function lengthBy(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}

function bytesOf(text: string): Uint8Array {
  const parts = text.match(/[\udc00-\udcff]|[^\udc00-\udcff]+/gu) ?? []
  const bytes = parts.flatMap((part) => (ESCAPED.test(part) ? [part.charCodeAt(0) - ESCAPE] : [...utf8(part)]))
  return Uint8Array.from(bytes)
}

/** A text without special tokens as its encoder takes it; a byte that stays escaped is a byte token. */
export function readEscaped(text: string, kind: VocabularyKind): string {
  if (!ESCAPED.test(text)) return text
  return kind === 'spm' ? symbols(bytesOf(text.replaceAll(' ', SPACE_MARK))) : codePoints(bytesOf(text))
}

/** Characters as SentencePiece cuts them, by the first byte; one that is malformed is escaped with all its bytes. */
function symbols(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += lengthBy(bytes[at]!)) {
    const part = bytes.subarray(at, at + lengthBy(bytes[at]!))
    const character = escapeBytes(part)
    text += ESCAPED.test(character) ? String.fromCharCode(...Array.from(part, (byte) => ESCAPE + byte)) : character
  }
  return text
}

/** Characters decoded without a check for overlong forms; a byte that begins none is U+FFFD. */
function codePoints(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at]!
    const length = lengthBy(first)
    const rest = bytes.subarray(at + 1, at + length)
    const whole = rest.length === length - 1 && rest.every((byte) => (byte & 0xc0) === 0x80)
    const sound = whole && (first < 0x80 || (first >= 0xc0 && first < 0xf8))
    const start = length === 1 ? first : first & (0xff >> (length + 1))
    const code = rest.reduce((sum, byte) => (sum << 6) | (byte & 0x3f), start)
    const fits = sound && code < 0x110000 && (code & 0x1ff800) !== 0xd800
    text += fits ? String.fromCodePoint(code) : '\ufffd'
    at += sound ? length : 1
  }
  return text
}

/** The byte that an escaped one stands for. */
export function escapedByte(text: string): number | undefined {
  return text.length === 1 && ESCAPED.test(text) ? text.charCodeAt(0) - ESCAPE : undefined
}
