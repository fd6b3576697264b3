/** The parts of JSON's text, as terms. Source: RFC 8259; numbers and strings as ECMAScript's JSON.stringify writes them. */

import { setBit } from '../util/bits.ts'
import type { Alphabet } from './pattern.ts'
import type { Term, Terms } from './terms.ts'
import { type CodeRange, characters, normalized } from './utf8.ts'

const encoder = new TextEncoder()
/** Blanks that a line may begin with: a model that writes nothing else would never end. */
const MAX_INDENT = 32
/** What strings write with a letter. */
const SHORT_ESCAPES: Record<number, string> = { 8: 'b', 9: 't', 10: 'n', 12: 'f', 13: 'r', 34: '"', 92: '\\' }

/** What strings are, by their keywords. */
export interface StringLimits {
  /** The texts that are allowed, as JSON.stringify writes them, without quotes; undefined for every one. */
  readonly content: Term | undefined
  /** In code points. */
  readonly min: number
  readonly max: number
}

export class JsonText implements Alphabet {
  /** Blanks that may stand between two parts: none in compact text. */
  readonly blank: Term
  /** One character of a string, with every escape; a pair of surrogates is one. */
  readonly character: Term
  readonly anything: Term
  private readonly quote: Term

  constructor(
    readonly terms: Terms,
    compact: boolean,
  ) {
    this.blank = compact ? terms.empty : this.blanks()
    this.quote = this.literal('"')
    this.character = this.anyCharacter()
    this.anything = terms.repeat(this.characters([[0, 0x10ffff]]))
  }

  /** A blank, or the ends of one or two lines and an indent. As llama.cpp has it. */
  private blanks(): Term {
    const { terms } = this
    const line = terms.sequence([terms.optional(this.literal('\r')), this.literal('\n')])
    const indent = terms.repeat(this.oneOf(' \t'), 0, MAX_INDENT)
    return terms.or([terms.empty, this.literal(' '), terms.sequence([terms.repeat(line, 1, 2), indent])])
  }

  literal(text: string): Term {
    return this.terms.literal(encoder.encode(text))
  }

  oneOf(bytes: string): Term {
    const set = new Uint32Array(8)
    for (const byte of encoder.encode(bytes)) setBit(set, byte)
    return this.terms.bytes(set)
  }

  quoted(content: Term): Term {
    return this.terms.sequence([this.quote, content, this.quote])
  }

  /** One of some texts. */
  literals(texts: Iterable<string>): Term {
    return this.terms.literals(Array.from(texts, (text) => encoder.encode(text)))
  }

  /** A name as it is written, and the colon. */
  key(name: Term): Term {
    const { terms, blank } = this
    return terms.sequence([name, blank, this.literal(':'), blank])
  }

  /** A value, with blanks where they may stand. */
  value(value: unknown): Term {
    const { terms, blank } = this
    const listed = (open: string, items: readonly Term[], close: string): Term => {
      const comma = terms.sequence([this.literal(','), blank])
      const inside = items.map((item, i) => terms.sequence([i > 0 ? comma : terms.empty, item, blank]))
      return terms.sequence([this.literal(open), blank, ...inside, this.literal(close)])
    }
    if (Array.isArray(value)) {
      const items = value.map((item) => this.value(item))
      return listed('[', items, ']')
    }
    if (typeof value !== 'object' || value === null) return this.literal(JSON.stringify(value))
    const members = Object.entries(value).map(([name, item]) =>
      terms.sequence([this.key(this.literal(JSON.stringify(name))), this.value(item)]),
    )
    return listed('{', members, '}')
  }

  /** The bytes of a string without its quotes, as JSON.stringify writes them. */
  textOf(text: string): Uint8Array {
    return encoder.encode(JSON.stringify(text).slice(1, -1))
  }

  /** The contents of all strings but some. */
  excluding(texts: Iterable<string>): Term {
    const { terms } = this
    return terms.and([this.anything, terms.not(terms.literals(Array.from(texts, (text) => this.textOf(text))))])
  }

  /** The contents of strings that some keywords allow. */
  content({ content, min, max }: StringLimits): Term {
    const { terms } = this
    if (!content) return terms.repeat(this.character, min, max)
    if (min > 0 || max < Number.POSITIVE_INFINITY) {
      return terms.and([content, terms.repeat(this.characters([[0, 0x10ffff]]), min, max)])
    }
    return content.plain ? content : terms.and([content, this.anything])
  }

  /** One character of a set, as JSON.stringify writes it. */
  characters(ranges: Iterable<CodeRange>): Term {
    const { terms } = this
    const plain: CodeRange[] = []
    const escaped: Term[] = []
    for (const [low, high] of normalized(ranges)) {
      let from = low
      for (let code = low; code <= Math.min(high, 0x5c); code++) {
        if (code >= 0x20 && code !== 0x22 && code !== 0x5c) continue
        if (from < code) plain.push([from, code - 1])
        from = code + 1
        const short = SHORT_ESCAPES[code]
        escaped.push(this.literal(short ? `\\${short}` : `\\u${code.toString(16).padStart(4, '0')}`))
      }
      if (from <= high) plain.push([from, high])
    }
    return terms.or([characters(terms, plain), ...escaped])
  }

  private anyCharacter(): Term {
    const { terms } = this
    const hex = this.oneOf('0123456789abcdefABCDEF')
    const [backslash, u] = [this.literal('\\'), this.literal('u')]
    const unit = terms.or([
      terms.sequence([this.oneOf('0123456789abcefABCEF'), hex, hex, hex]),
      terms.sequence([this.oneOf('dD'), this.oneOf('01234567'), hex, hex]),
    ])
    const pair = terms.sequence([
      ...[this.oneOf('dD'), this.oneOf('89abAB'), hex, hex],
      ...[backslash, u, this.oneOf('dD'), this.oneOf('cdefCDEF'), hex, hex],
    ])
    return terms.or([
      characters(terms, [
        [0x20, 0x21],
        [0x23, 0x5b],
        [0x5d, 0x10ffff],
      ]),
      terms.sequence([backslash, terms.or([this.oneOf('"\\/bfnrt'), terms.sequence([u, terms.or([unit, pair])])])]),
    ])
  }
}
