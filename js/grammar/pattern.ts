/**
 * Reads regular expressions of ECMA-262 as terms. They are read with code points, as with the flag `u`, but take the
 * escapes that are allowed without it.
 */

import { GrammarError } from '../errors.ts'
import { classOf, LETTER, MARK, NUMBER, PUNCTUATION, SYMBOL } from '../util/unicode.ts'
import type { Term, Terms } from './terms.ts'
import { type CodeRange, characters, complement } from './utf8.ts'

/** How characters are written in the text that is constrained: as they are, or as in a string of JSON. */
export interface Alphabet {
  readonly terms: Terms
  /** One character of a set. */
  characters(ranges: Iterable<CodeRange>): Term
  /** Any number of any characters. */
  readonly anything: Term
}

/** Characters as they are. */
export function plainText(terms: Terms): Alphabet {
  const anything = terms.repeat(characters(terms, [[0, 0x10ffff]]))
  return { terms, characters: (ranges) => characters(terms, ranges), anything }
}

type PatternNode =
  | { readonly kind: 'set'; readonly ranges: readonly CodeRange[] }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly part: PatternNode; readonly min: number; readonly max: number }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'look'; readonly part: PatternNode; readonly negated: boolean }

const DIGITS: CodeRange[] = [[0x30, 0x39]]
const WORDS: CodeRange[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]
const LINE_ENDS: CodeRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const SPACES: CodeRange[] = [
  ...LINE_ENDS,
  [0x09, 0x0c],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
const CLASSES: Record<string, readonly CodeRange[]> = { d: DIGITS, w: WORDS, s: SPACES }
const CONTROLS: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 }
const CATEGORIES: Record<string, number> = {
  L: LETTER,
  Letter: LETTER,
  N: NUMBER,
  Number: NUMBER,
  M: MARK,
  Mark: MARK,
  P: PUNCTUATION,
  Punctuation: PUNCTUATION,
  S: SYMBOL,
  Symbol: SYMBOL,
}
const BRACES = /\{(\d+)(,(\d*))?\}/y
const PROPERTY = /\{(?:General_Category=|gc=)?([A-Za-z_]+)\}/y
/** A larger repetition of what holds an anchor or a look-ahead is refused. */
const MAX_UNROLLED = 16
const MAX_DEPTH = 200

/**
 * All texts in which a pattern is found; with `whole`, those that it matches from end to end.
 *
 * @throws GrammarError for what is no pattern, and for what no automaton can do: \b, look-behind, back references
 */
export function patternTerm(source: string, alphabet: Alphabet, whole = false): Term {
  const node = new PatternParser(source).parse()
  return new PatternTerms(alphabet).search(node, whole)
}

class PatternTerms {
  constructor(private readonly alphabet: Alphabet) {}

  search(node: PatternNode, whole: boolean): Term {
    const { terms, anything } = this.alphabet
    const rest = whole ? terms.empty : anything
    const first = this.before(node, rest, true)
    if (whole) return first
    return terms.or([first, terms.sequence([anything, this.before(node, rest, false)])])
  }

  /**
   * Texts that begin with a match of a node and go on with one of `rest`.
   *
   * @param atStart whether nothing stands before
   */
  private before(node: PatternNode, rest: Term, atStart: boolean): Term {
    const { terms, anything } = this.alphabet
    const plain = this.plain(node)
    if (plain) return terms.sequence([plain, rest])
    switch (node.kind) {
      case 'start':
        return atStart ? rest : terms.none
      case 'end':
        return rest.nullable ? terms.empty : terms.none
      case 'look': {
        const seen = this.before(node.part, anything, atStart)
        return terms.and([rest, node.negated ? terms.not(seen) : seen])
      }
      case 'choice':
        return terms.or(node.parts.map((part) => this.before(part, rest, atStart)))
      case 'sequence': {
        const [part, ...others] = node.parts
        if (!part) return rest
        const next: PatternNode = { kind: 'sequence', parts: others }
        const inside = () => this.before(part, this.before(next, rest, false), atStart)
        const { least, most } = widths(part)
        if (!atStart || least > 0) return inside()
        const skipped = this.before(part, this.before(next, rest, true), atStart)
        // Where the part may be empty and may be not, the next one stands at the start in one case alone.
        return most === 0 ? skipped : terms.or([inside(), this.emptyPart(part, next, rest)])
      }
      case 'repeat': {
        const { part, min, max } = node
        if (
          Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max) > MAX_UNROLLED ||
          max === Number.POSITIVE_INFINITY
        )
          throw unsupported('an anchor or a look-ahead that is repeated', undefined)
        const options: PatternNode[] = []
        for (let count = min; count <= max; count++) {
          options.push({ kind: 'sequence', parts: Array.from({ length: count }, () => part) })
        }
        return this.before({ kind: 'choice', parts: options }, rest, atStart)
      }
      case 'set':
        throw new Error('a set of characters is plain')
    }
  }

  /** Texts at the start where a part is there without a character. */
  private emptyPart(part: PatternNode, next: PatternNode, rest: Term): Term {
    const { terms } = this.alphabet
    const plain = this.plain(part)
    if (plain) return plain.nullable ? this.before(next, rest, true) : terms.none
    // What the part sees of the text is what follows, which begins at the start.
    const following = this.before(next, rest, true)
    return this.before(emptied(part), following, true)
  }

  /** The term of a node without anchors and look-aheads. */
  private plain(node: PatternNode): Term | undefined {
    const { terms } = this.alphabet
    switch (node.kind) {
      case 'set':
        return this.alphabet.characters(node.ranges)
      case 'repeat': {
        const part = this.plain(node.part)
        return part && terms.repeat(part, node.min, node.max)
      }
      case 'sequence':
      case 'choice': {
        const parts: Term[] = []
        for (const part of node.parts) {
          const term = this.plain(part)
          if (!term) return undefined
          parts.push(term)
        }
        return node.kind === 'sequence' ? terms.sequence(parts) : terms.or(parts)
      }
      default:
        return undefined
    }
  }
}

/** The node where it matches no character: its anchors and look-aheads are left. */
function emptied(node: PatternNode): PatternNode {
  switch (node.kind) {
    case 'set':
      return { kind: 'choice', parts: [] }
    case 'sequence':
    case 'choice':
      return { kind: node.kind, parts: node.parts.map(emptied) }
    case 'repeat':
      return { ...node, part: emptied(node.part), max: Math.min(node.max, Math.max(node.min, 1)) }
    default:
      return node
  }
}

/** The least and the most characters that a node matches. */
function widths(node: PatternNode): { least: number; most: number } {
  switch (node.kind) {
    case 'set':
      return { least: 1, most: 1 }
    case 'sequence': {
      const parts = node.parts.map(widths)
      return { least: sum(parts.map(({ least }) => least)), most: sum(parts.map(({ most }) => most)) }
    }
    case 'choice': {
      const parts = node.parts.map(widths)
      return {
        least: Math.min(...parts.map(({ least }) => least)),
        most: Math.max(0, ...parts.map(({ most }) => most)),
      }
    }
    case 'repeat': {
      const { least, most } = widths(node.part)
      return { least: least * node.min, most: most === 0 ? 0 : most * node.max }
    }
    default:
      return { least: 0, most: 0 }
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

class PatternParser {
  private at = 0
  private depth = 0

  constructor(private readonly source: string) {}

  parse(): PatternNode {
    const node = this.parseChoice()
    if (this.at < this.source.length) throw this.error('a ) without (')
    return node
  }

  private parseChoice(): PatternNode {
    if (++this.depth > MAX_DEPTH) throw this.error('groups are nested too deep')
    const parts = [this.parseSequence()]
    while (this.take('|')) parts.push(this.parseSequence())
    this.depth--
    return parts.length === 1 ? parts[0]! : { kind: 'choice', parts }
  }

  private parseSequence(): PatternNode {
    const parts: PatternNode[] = []
    while (this.at < this.source.length && this.source[this.at] !== '|' && this.source[this.at] !== ')') {
      parts.push(this.parseRepeated())
    }
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
  }

  private parseRepeated(): PatternNode {
    const part = this.parseAtom()
    const range = this.parseRange()
    if (!range) return part
    // Lazy or not: the same texts match.
    this.take('?')
    const [min, max] = range
    if (max < min) throw this.error('a range that ends before it begins')
    return { kind: 'repeat', part, min, max }
  }

  private parseRange(): [number, number] | undefined {
    if (this.take('*')) return [0, Number.POSITIVE_INFINITY]
    if (this.take('+')) return [1, Number.POSITIVE_INFINITY]
    if (this.take('?')) return [0, 1]
    const braces = this.match(BRACES)
    if (!braces) return undefined
    const [, min, comma, max] = braces
    return [Number(min), comma === undefined ? Number(min) : max ? Number(max) : Number.POSITIVE_INFINITY]
  }

  private parseAtom(): PatternNode {
    if (this.take('^')) return { kind: 'start' }
    if (this.take('$')) return { kind: 'end' }
    if (this.take('.')) return { kind: 'set', ranges: complement(LINE_ENDS) }
    if (this.take('[')) return { kind: 'set', ranges: this.parseClass() }
    if (this.take('(')) return this.parseGroup()
    if (this.take('\\')) return { kind: 'set', ranges: this.parseEscape(false) }
    if (/[*+?]/.test(this.source[this.at]!)) throw this.error('nothing to repeat')
    return { kind: 'set', ranges: single(this.parseCharacter()) }
  }

  private parseGroup(): PatternNode {
    let node: PatternNode
    if (this.take('?=') || this.take('?!')) {
      const negated = this.source[this.at - 1] === '!'
      node = { kind: 'look', part: this.parseChoice(), negated }
    } else {
      if (this.source.startsWith('?<=', this.at) || this.source.startsWith('?<!', this.at)) {
        throw unsupported('look-behind', this.source)
      }
      if (!this.take('?:') && !this.match(/\?<[A-Za-z_$][\w$]*>/y) && this.source[this.at] === '?') {
        throw this.error('an unknown kind of group')
      }
      node = this.parseChoice()
    }
    if (!this.take(')')) throw this.error('a ( without )')
    return node
  }

  private parseClass(): CodeRange[] {
    const negated = this.take('^')
    const ranges: CodeRange[] = []
    while (!this.take(']')) {
      if (this.at >= this.source.length) throw this.error('a [ without ]')
      const low = this.parseMember()
      if (this.source[this.at] !== '-' || this.source[this.at + 1] === ']') ranges.push(...low)
      else {
        this.at++
        const high = this.parseMember()
        const [from, to] = [codeOf(low), codeOf(high)]
        // With a class at either end, the hyphen is a character.
        if (from === undefined || to === undefined) ranges.push(...low, ...high, ...single(0x2d))
        else if (to < from) throw this.error('a range of characters out of order')
        else ranges.push([from, to])
      }
    }
    return negated ? complement(ranges) : ranges
  }

  private parseMember(): readonly CodeRange[] {
    return this.take('\\') ? this.parseEscape(true) : single(this.parseCharacter())
  }

  private parseEscape(inClass: boolean): readonly CodeRange[] {
    const name = this.source[this.at]
    if (name === undefined) throw this.error('\\ at the end')
    const lower = name.toLowerCase()
    if (CLASSES[lower]) {
      this.at++
      return name === lower ? CLASSES[lower] : complement(CLASSES[lower])
    }
    if (lower === 'p') {
      this.at++
      const ranges = this.parseProperty()
      return name === 'p' ? ranges : complement(ranges)
    }
    if (lower === 'b' && inClass && name === 'b') return this.escaped(8)
    if (lower === 'b') throw unsupported('\\b', this.source)
    if (/[1-9]/.test(name) || name === 'k') throw unsupported('a back reference', this.source)
    const control = CONTROLS[name]
    if (control !== undefined) return this.escaped(control)
    if (name === 'c' && /[A-Za-z]/.test(this.source[this.at + 1] ?? '')) {
      this.at += 2
      return single(this.source.charCodeAt(this.at - 1) & 31)
    }
    const digits = this.match(/x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]+)\}/y)
    if (digits) return single(this.surrogatePair(Number.parseInt(digits[1] ?? digits[2] ?? digits[3]!, 16)))
    return single(this.parseCharacter())
  }

  private escaped(code: number): CodeRange[] {
    this.at++
    return single(code)
  }

  /** \ud83c\udf0a is one character. */
  private surrogatePair(high: number): number {
    if (high < 0xd800 || high > 0xdbff) return high
    const low = this.match(/\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})/y)
    return low ? 0x10000 + ((high - 0xd800) << 10) + (Number.parseInt(low[1]!, 16) - 0xdc00) : high
  }

  private parseProperty(): CodeRange[] {
    const name = this.match(PROPERTY)?.[1]
    const wanted = name === undefined ? undefined : CATEGORIES[name]
    if (wanted === undefined) throw unsupported(`\\p{${name ?? ''}}; \\p{L}, N, M, P and S are there`, this.source)
    const ranges: [number, number][] = []
    for (let code = 0; code <= 0x10ffff; code++) {
      if (classOf(code) !== wanted) continue
      const last = ranges.at(-1)
      if (last?.[1] === code - 1) last[1] = code
      else ranges.push([code, code])
    }
    return ranges
  }

  private parseCharacter(): number {
    const code = this.source.codePointAt(this.at)!
    this.at += code > 0xffff ? 2 : 1
    return code
  }

  private take(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.source)
    if (match) this.at = pattern.lastIndex
    return match
  }

  private error(what: string): GrammarError {
    const message = `The regular expression ${this.source} is malformed at character ${this.at}: ${what}.`
    return new GrammarError('PATTERN_SYNTAX', message, this.source)
  }
}

function single(code: number): CodeRange[] {
  return [[code, code]]
}

/** The code point of a range with one. */
function codeOf(ranges: readonly CodeRange[]): number | undefined {
  const [first] = ranges
  return ranges.length === 1 && first![0] === first![1] ? first![0] : undefined
}

function unsupported(what: string, source: unknown): GrammarError {
  return new GrammarError('PATTERN_UNSUPPORTED', `Regular expressions with ${what} cannot be enforced.`, source)
}
