import { LETTER, MARK, NUMBER, OTHER, type Points, PUNCTUATION, SPACE, SYMBOL } from '../util/unicode.ts'

/**
 * A rule is one alternative of a pre-tokenizer's regular expression, written out as a scanner: it looks at the code
 * points of [at, end) and returns the end of its match, or `at` where it does not match. The comment on each rule is the
 * expression it stands for. The end of the range counts as the end of the text.
 */
export type Rule = (text: Points, at: number, end: number) => number

const SPACE_CODE = 0x20
const LF = 0x0a
const CR = 0x0d
const SLASH = 0x2f
/** [^\s\p{L}\p{N}] */
const NEITHER = MARK | PUNCTUATION | SYMBOL | OTHER

/** The end of the run of code points of the classes in `mask` that starts at `at`. */
export function run(text: Points, at: number, end: number, mask: number): number {
  while (at < end && text.classes[at]! & mask) at++
  return at
}

const isNewline = (code: number) => code === LF || code === CR

/** The first rule that matches, as a regular expression's alternation. */
export function firstOf(...rules: Rule[]): Rule {
  return (text, at, end) => {
    for (const rule of rules) {
      const to = rule(text, at, end)
      if (to > at) return to
    }
    return at
  }
}

/** 's|'t|'re|'ve|'m|'ll|'d, in lower case only or in any. */
function contractionOf(anyCase: boolean): Rule {
  return (text, at, end) => {
    if (text.codes[at] !== 0x27 || at + 1 >= end) return at
    const letter = (i: number) => {
      const code = i < end ? text.codes[i]! : 0
      return String.fromCharCode(anyCase && code >= 0x41 && code <= 0x5a ? code + 0x20 : code)
    }
    const first = letter(at + 1)
    if ('stmd'.includes(first)) return at + 2
    const pair = first + letter(at + 2)
    return pair === 're' || pair === 've' || pair === 'll' ? at + 3 : at
  }
}

export const contraction = contractionOf(false)
/** (?i:'s|'t|'re|'ve|'m|'ll|'d) */
export const contractionAnyCase = contractionOf(true)

/** ` ?[classes]+` */
export function spaced(mask: number): Rule {
  return (text, at, end) => {
    const from = text.codes[at] === SPACE_CODE ? at + 1 : at
    const to = run(text, from, end, mask)
    return to > from ? to : at
  }
}

/** \s?[classes]+ */
export function afterAnySpace(mask: number): Rule {
  return (text, at, end) => {
    const from = text.classes[at]! & SPACE ? at + 1 : at
    const to = run(text, from, end, mask)
    return to > from ? to : at
  }
}

export const spacedLetters = spaced(LETTER)
export const spacedNumbers = spaced(NUMBER)
export const spacedOther = spaced(NEITHER)

/** [^\r\n<barred>]?[<body>]+ with sets of classes for both. */
export function prefixed(barred: number, body: number): Rule {
  return (text, at, end) => {
    if (!(text.classes[at]! & barred) && !isNewline(text.codes[at]!)) {
      const to = run(text, at + 1, end, body)
      if (to > at + 1) return to
    }
    return run(text, at, end, body)
  }
}

/** \p{N}{1,most} */
export function numbers(most: number): Rule {
  return (text, at, end) => run(text, at, Math.min(end, at + most), NUMBER)
}

/** ` ?[classes]+[\r\n]*`, with `[\r\n/]` at the end if `slash`; of these at most `most`. */
export function spacedThenNewlines(mask: number, slash = false, most = Number.POSITIVE_INFINITY): Rule {
  const body = spaced(mask)
  return (text, at, end) => {
    let to = body(text, at, end)
    if (to === at) return at
    const last = Math.min(end, to + most)
    while (to < last && (isNewline(text.codes[to]!) || (slash && text.codes[to] === SLASH))) to++
    return to
  }
}

/** \s*[\r\n]+ : up to the last newline of a run of white space. */
export const newlines: Rule = (text, at, end) => {
  let to = run(text, at, end, SPACE)
  while (to > at && !isNewline(text.codes[to - 1]!)) to--
  return to
}

/** \s+(?!\S) : a run of white space but for its last character, all of it at the end of the text. */
export const spacesBeforeLast: Rule = (text, at, end) => {
  const to = run(text, at, end, SPACE)
  return to < end && to > at ? to - 1 : to
}

/** \s+ */
export const spaces: Rule = (text, at, end) => run(text, at, end, SPACE)

/** [!-/:-@[-`{-~][A-Za-z]+ : ASCII punctuation, then ASCII letters. */
export const punctuatedWord: Rule = (text, at, end) => {
  const code = text.codes[at]!
  if (code < 0x21 || code > 0x7e || isAsciiLetter(code) || (code >= 0x30 && code <= 0x39)) return at
  let to = at + 1
  while (to < end && isAsciiLetter(text.codes[to]!)) to++
  return to > at + 1 ? to : at
}

const isUpper = (code: number) => code >= 0x41 && code <= 0x5a
const isLower = (code: number) => code >= 0x61 && code <= 0x7a
const isAsciiLetter = (code: number) => isUpper(code) || isLower(code)

/**
 * [^\r\n\p{L}\p{N}]? then U*W+ or, failing that, U+W*, then a contraction if `suffix`: a word that starts at a capital.
 * U are the code points of `mask` but a-z, W those but A-Z: beyond ASCII llama.cpp does not distinguish cases.
 */
export function cased(mask: number, suffix: boolean): Rule {
  const inUpper = (text: Points, i: number) => !!(text.classes[i]! & mask) && !isLower(text.codes[i]!)
  const inLower = (text: Points, i: number) => !!(text.classes[i]! & mask) && !isUpper(text.codes[i]!)
  const upperRun = (text: Points, at: number, end: number) => {
    while (at < end && inUpper(text, at)) at++
    return at
  }
  const lowerRun = (text: Points, at: number, end: number) => {
    while (at < end && inLower(text, at)) at++
    return at
  }
  /** U*W+ : where nothing of W follows the run of U, the run gives back what it needs. */
  const endsLower = (text: Points, at: number, end: number) => {
    const middle = upperRun(text, at, end)
    const to = lowerRun(text, middle, end)
    if (to > middle) return to
    let back = middle
    while (back > at && !inLower(text, back - 1)) back--
    return back
  }
  /** U+W* */
  const startsUpper = (text: Points, at: number, end: number) => {
    const middle = upperRun(text, at, end)
    return middle > at ? lowerRun(text, middle, end) : at
  }
  return (text, at, end) => {
    const prefix = !(text.classes[at]! & (LETTER | NUMBER)) && !isNewline(text.codes[at]!)
    for (const word of [endsLower, startsUpper]) {
      for (const from of prefix ? [at + 1, at] : [at]) {
        const to = word(text, from, end)
        if (to > from) return suffix ? contractionAnyCase(text, to, end) : to
      }
    }
    return at
  }
}

/** A set of code points as ranges in hexadecimal: '41-5a b5'. */
export function codeSet(ranges: string): (code: number) => boolean {
  const starts: number[] = []
  const ends: number[] = []
  for (const range of ranges.split(' ')) {
    const [first = '', last = first] = range.split('-')
    starts.push(Number.parseInt(first, 16))
    ends.push(Number.parseInt(last, 16))
  }
  return (code) => {
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (starts[middle]! <= code) low = middle + 1
      else high = middle
    }
    return low > 0 && code <= ends[low - 1]!
  }
}

/** [set]+, after \s? if `space`. White space beyond ASCII is in no set: llama.cpp puts a vertical tab in its place. */
export function inSet(ranges: string, space = false): Rule {
  const has = codeSet(ranges)
  return (text, at, end) => {
    const from = space && text.classes[at]! & SPACE ? at + 1 : at
    let to = from
    while (to < end && !(text.classes[to]! & SPACE) && has(text.codes[to]!)) to++
    return to > from ? to : at
  }
}

/** [\p{P}<set>]+ */
export function punctuationOr(characters: string): Rule {
  const codes = new Set(Array.from(characters, (character) => character.charCodeAt(0)))
  return (text, at, end) => {
    while (at < end && (text.classes[at]! & PUNCTUATION || codes.has(text.codes[at]!))) at++
    return at
  }
}

/** ` ?[^\s<set>]+` */
export function spacedNotIn(characters: string): Rule {
  const barred = new Set(Array.from(characters, (character) => character.codePointAt(0)!))
  return (text, at, end) => {
    const from = text.codes[at] === SPACE_CODE ? at + 1 : at
    let to = from
    while (to < end && !(text.classes[to]! & SPACE) && !barred.has(text.codes[to]!)) to++
    return to > from ? to : at
  }
}

/** [\r\n] */
export const newline: Rule = (text, at) => (isNewline(text.codes[at]!) ? at + 1 : at)

/** [^\n]+|[\n]+ */
export const lines: Rule = (text, at, end) => {
  const feed = text.codes[at] === LF
  while (at < end && (text.codes[at] === LF) === feed) at++
  return at
}

/** [0-9][0-9][0-9] */
export const threeDigits: Rule = (text, at, end) => {
  for (let i = at; i < at + 3; i++) if (i >= end || text.codes[i]! < 0x30 || text.codes[i]! > 0x39) return at
  return at + 3
}

/** [^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+ : letters with their marks, and single spaces between two of them. */
export const spacedWords: Rule = (text, at, end) => {
  const isLetter = (i: number) => i < end && !!(text.classes[i]! & LETTER)
  const first = text.classes[at]! & (LETTER | NUMBER) || isNewline(text.codes[at]!) ? at : at + 1
  if (!isLetter(first)) return at
  let to = first
  while (isLetter(to) || (to < end && text.codes[to] === SPACE_CODE && isLetter(to + 1))) {
    to = run(text, to + 1, end, LETTER)
    to = run(text, to, end, MARK)
  }
  return to
}

/** [classes]+(?i:'s|'t|'re|'ve|'m|'ll|'d)? after [^\r\n\p{L}\p{N}]? */
export function wordWithContraction(mask: number): Rule {
  const word = prefixed(LETTER | NUMBER, mask)
  return (text, at, end) => {
    const to = word(text, at, end)
    return to > at ? contractionAnyCase(text, to, end) : at
  }
}

/**
 * \s{512}(?!\S)|\s{256}(?!\S)|…|\s{4}(?!\S)|\s{1,2}(?!\S)|\s : white space in pieces of a power of two; the last character
 * before a word stands alone.
 */
export const spacesByPowers: Rule = (text, at, end) => {
  let length = run(text, at, end, SPACE) - at
  if (length > 1 && at + length < end) length--
  for (let size = 512; size > 0; size >>= 1) if (length >= size) return at + size
  return at
}
