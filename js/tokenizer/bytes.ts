/**
 * Byte-level vocabularies write each byte as a visible character: those of Latin-1 that can be seen stand for
 * themselves, the other 68 are U+0100 and up, in order. Source: GPT-2's bytes_to_unicode.
 */
const CHARACTER_OF_BYTE: string[] = []
const BYTE_OF_UNIT = new Int16Array(0x144).fill(-1)

for (let byte = 0, unseen = 0x100; byte < 256; byte++) {
  const seen = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad)
  const unit = seen ? byte : unseen++
  CHARACTER_OF_BYTE.push(String.fromCharCode(unit))
  BYTE_OF_UNIT[unit] = byte
}

/** SentencePiece's stand-in for a space. */
export const SPACE_MARK = '▁'

const encoder = new TextEncoder()

/** A text's UTF-8 bytes, each as its character. */
export function visibleBytes(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) {
      for (const byte of encoder.encode(text.slice(i))) out += CHARACTER_OF_BYTE[byte]
      break
    }
    out += CHARACTER_OF_BYTE[unit]
  }
  return out
}

/** The bytes that a token of a byte-level vocabulary stands for; characters that stand for none are left as UTF-8. */
export function bytesOfVisible(text: string): Uint8Array {
  const bytes: number[] = []
  for (const character of text) {
    const byte = BYTE_OF_UNIT[character.codePointAt(0)!] ?? -1
    if (byte >= 0) bytes.push(byte)
    else bytes.push(...encoder.encode(character))
  }
  return Uint8Array.from(bytes)
}

/** The byte of a token such as `<0x0A>`; undefined for other texts. */
export function byteOfHexToken(text: string): number | undefined {
  const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1]
  return hex === undefined ? undefined : Number.parseInt(hex, 16)
}

/** `<0x0A>` for 10. */
export function hexToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}
