import { CLASS_RUNS } from './unicode-data.ts'

/** Classes of code points, one bit each so that a set of classes is a mask. Every code point is in exactly one. */
export const LETTER = 1
export const NUMBER = 2
export const MARK = 4
export const PUNCTUATION = 8
export const SYMBOL = 16
export const SPACE = 32
export const OTHER = 64

const BITS: Record<string, number> = {
  L: LETTER,
  N: NUMBER,
  M: MARK,
  P: PUNCTUATION,
  S: SYMBOL,
  Z: SPACE,
  O: OTHER,
}

let table: Uint8Array | undefined

function classTable(): Uint8Array {
  if (table) return table
  const classes = new Uint8Array(0x110000)
  let code = 0
  for (const [, letter = 'O', length] of CLASS_RUNS.matchAll(/([A-Z])([0-9a-z]*)/g)) {
    const end = code + Number.parseInt(length || '1', 36)
    classes.fill(BITS[letter]!, code, end)
    code = end
  }
  table = classes
  return classes
}

/** The class of a code point, 0 … 0x10ffff. */
export function classOf(codePoint: number): number {
  return classTable()[codePoint]!
}

/** A text as code points, with the class and the place of each. */
export interface Points {
  readonly length: number
  readonly codes: Uint32Array
  readonly classes: Uint8Array
  /** UTF-16 offset of each code point in the text, and the text's length. */
  readonly offsets: Uint32Array
}

/** Splits a well-formed text into code points. */
export function points(text: string): Points {
  const classes = classTable()
  const out = {
    length: 0,
    codes: new Uint32Array(text.length),
    classes: new Uint8Array(text.length),
    offsets: new Uint32Array(text.length + 1),
  }
  let n = 0
  for (let i = 0; i < text.length; n++) {
    const code = text.codePointAt(i)!
    out.codes[n] = code
    out.classes[n] = classes[code]!
    out.offsets[n] = i
    i += code > 0xffff ? 2 : 1
  }
  out.offsets[n] = text.length
  out.length = n
  return out
}

/** The text with every lone surrogate replaced by U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udfff]/gu, '\ufffd')
}
