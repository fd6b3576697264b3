/**
 * Regular expressions over bytes, and their derivatives: what may follow a byte. Terms that are equal are one object, so
 * that the derivatives of a term are the states of an automaton, made as they are reached.
 * Source: Owens, Reppy and Turon, "Regular-expression derivatives re-examined" (2009).
 */

import { GrammarError } from '../errors.ts'
import { hasBit, setBit } from '../util/bits.ts'
import { hasMultiple, isMultiple, type Multiple, multipleAfter } from './multiple.ts'

/** A set of bytes: bit b of word b >> 5. */
export type ByteSet = Uint32Array

type TermKind = 'none' | 'empty' | 'bytes' | 'literal' | 'sequence' | 'or' | 'and' | 'not' | 'repeat' | 'multiple'

/** A term. Made by {@link Terms} alone. */
export interface Term {
  readonly id: number
  readonly kind: TermKind
  /** Whether the empty text is in the language. */
  readonly nullable: boolean
  /** Without `and` and `not`: then the language is empty for `none` alone. */
  readonly plain: boolean
  /** Whether a repeat in it counts. */
  readonly counted: boolean
  readonly set?: ByteSet
  /** Of literal: one character a byte. */
  readonly text?: string
  /** Of sequence: two, of or and and: two or more, of not and repeat: one. */
  readonly parts: readonly Term[]
  /** Of repeat. */
  readonly min: number
  readonly max: number
  /** Of multiple. */
  readonly multiple?: Multiple
  /** By byte class, once made. */
  row?: readonly Term[]
  /** Once made. */
  signature?: string | undefined
  /** Whether the language has a text; undefined where that has not been looked for. */
  alive?: boolean
}

/** Terms that a grammar may make. Source: every schema of MaskBench needs fewer than a tenth. */
const MAX_TERMS = 400_000
/** States that are looked at to find a text of one term. */
const MAX_SEARCH = 50_000
/** Work that a grammar may take while it is compiled: see {@link Terms.allow}. */
const MAX_COMPILE_WORK = 3_000_000
const MAX_SIGNATURE = 4000
const MAX_SIGNED_PARTS = 100
const ENDLESS = Number.POSITIVE_INFINITY
/** Of a row, beside one for each byte class that can follow. */
const ROW_WORK = 10
const DIGITS = Array.from('0123456789', (digit) => digit.charCodeAt(0))

export class Terms {
  private readonly all = new Map<string, Term>()
  private readonly sets = new Map<string, ByteSet>()
  /** Bytes that stand in literals. */
  private readonly singles = new Set<number>()
  private count = 0
  /** The class of each byte. Until {@link settle} each byte is one of its own. */
  private classes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  /** A byte of each class. */
  private representatives = [...this.classes]
  private settled = false
  private workLeft = MAX_COMPILE_WORK
  /** No text. */
  readonly none: Term
  /** The empty text alone. */
  readonly empty: Term
  /** Every text of bytes. */
  readonly anything: Term
  constructor() {
    this.none = this.intern('none', '', false, true, [])
    this.empty = this.intern('empty', '', true, true, [])
    this.anything = this.intern('not', `${this.none.id}`, true, false, [this.none])
  }

  bytes(set: ByteSet): Term {
    const key = keyOf(set)
    if (!this.sets.has(key)) {
      if (this.settled) throw new Error('a set of bytes after the classes were settled')
      this.sets.set(key, set)
    }
    return set.every((word) => word === 0) ? this.none : this.intern('bytes', key, false, true, [], { set })
  }

  /** Bytes from `low` to `high`. */
  range(low: number, high = low): Term {
    const set = new Uint32Array(8)
    for (let byte = low; byte <= high; byte++) setBit(set, byte)
    return this.bytes(set)
  }

  literal(bytes: Uint8Array | readonly number[]): Term {
    let text = ''
    for (const byte of bytes) {
      text += String.fromCharCode(byte)
      if (this.singles.has(byte)) continue
      if (this.settled) throw new Error('a byte after the classes were settled')
      this.singles.add(byte)
    }
    return this.rest(text)
  }

  /** One of some texts: equal beginnings are read once. */
  literals(texts: Iterable<Uint8Array>): Term {
    const all = Array.from(texts, (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
    return this.branches([...new Set(all)].sort(), 0)
  }

  /** Of sorted texts that are equal before `start`, what comes from there on. */
  private branches(texts: readonly string[], start: number): Term {
    const options: Term[] = []
    for (let first = 0, next = 0; first < texts.length; first = next) {
      const text = texts[first]!
      const byte = text[start]
      for (next = first + 1; next < texts.length && texts[next]![start] === byte; ) next++
      const last = texts[next - 1]!
      let end = start
      while (end < text.length && text[end] === last[end]) end++
      const shared = this.literal(bytesOf(text.slice(start, end)))
      options.push(next === first + 1 ? shared : this.pair(shared, this.branches(texts.slice(first, next), end)))
    }
    return this.or(options)
  }

  /** One of some sequences: equal parts at their beginnings are read once. */
  alternatives(options: readonly Term[]): Term {
    const rests = new Map<Term, Term[]>()
    for (const option of new Set(options)) {
      const [first, rest] = option.kind === 'sequence' ? (option.parts as [Term, Term]) : [option, this.empty]
      const known = rests.get(first)
      if (known) known.push(rest)
      else rests.set(first, [rest])
    }
    if (rests.size === options.length) return this.or(options)
    return this.or(Array.from(rests, ([first, after]) => this.pair(first, this.alternatives(after))))
  }

  private rest(text: string): Term {
    return text === '' ? this.empty : this.intern('literal', text, false, true, [], { text })
  }

  sequence(parts: readonly Term[]): Term {
    return parts.reduceRight((rest, part) => this.pair(part, rest), this.empty)
  }

  private pair(first: Term, rest: Term): Term {
    if (first === this.none || rest === this.none) return this.none
    if (first === this.empty) return rest
    if (rest === this.empty) return first
    const parts: Term[] = []
    let last = first
    for (; last.kind === 'sequence'; last = last.parts[1]!) parts.push(last.parts[0]!)
    this.workLeft -= parts.length
    if (this.workLeft <= 0) throw tooComplex()
    return parts.reduceRight((after, part) => this.link(part, after), this.link(last, rest))
  }

  /** A sequence of a part that is none, and what follows. */
  private link(first: Term, rest: Term): Term {
    const nullable = first.nullable && rest.nullable
    return this.intern('sequence', `${first.id},${rest.id}`, nullable, first.plain && rest.plain, [first, rest])
  }

  or(options: readonly Term[]): Term {
    const parts = this.flat(options, 'or', this.none, this.anything)
    if (!Array.isArray(parts)) return parts
    const nullable = parts.some((part) => part.nullable)
    return this.intern('or', ids(parts), nullable, parts.every(isPlain), parts)
  }

  and(options: readonly Term[]): Term {
    const parts = this.flat(options, 'and', this.anything, this.none)
    if (!Array.isArray(parts)) return parts
    const nullable = parts.every((part) => part.nullable)
    if (parts.includes(this.empty)) return nullable ? this.empty : this.none
    return this.intern('and', ids(parts), nullable, false, parts)
  }

  not(part: Term): Term {
    if (part.kind === 'not') return part.parts[0]!
    return this.intern('not', `${part.id}`, !part.nullable, false, [part])
  }

  optional(part: Term): Term {
    return this.or([part, this.empty])
  }

  repeat(part: Term, min = 0, max = ENDLESS): Term {
    if (max === 0 || part === this.empty) return this.empty
    if (part === this.none) return min === 0 ? this.empty : this.none
    const least = part.nullable ? 0 : min
    if (least === 1 && max === 1) return part
    if (part.kind === 'repeat' && part.min === 0 && part.max === ENDLESS) return part
    return this.intern('repeat', `${part.id},${least},${max}`, least === 0, part.plain, [part], { min: least, max })
  }

  /**
   * Decimal digits that are a multiple of divisor / 10 ** fraction. Signs, leading zeros and the number of digits are
   * others' business.
   */
  multipleOf(divisor: number, fraction: number): Term {
    for (const character of '.0123456789') this.range(character.charCodeAt(0))
    return this.multiple({ divisor, remainder: 0, fraction, pointed: false })
  }

  private multiple(multiple: Multiple): Term {
    const { divisor, remainder, fraction, pointed } = multiple
    const key = `${divisor},${remainder},${fraction},${pointed}`
    return this.intern('multiple', key, isMultiple(multiple), false, [], { multiple })
  }

  /** The parts of an `or` or `and`, each once and sorted; the term itself where it is a simpler one. */
  private flat(options: readonly Term[], kind: TermKind, neutral: Term, absorbing: Term): Term[] | Term {
    const found = new Set<Term>()
    for (const option of options) {
      for (const part of option.kind === kind ? option.parts : [option]) {
        if (part === absorbing) return absorbing
        if (part !== neutral) found.add(part)
      }
    }
    this.workLeft -= found.size
    const [first = neutral, ...others] = found
    if (others.length === 0) return first
    return [first, ...others].sort((a, b) => a.id - b.id)
  }

  private intern(
    kind: TermKind,
    key: string,
    nullable: boolean,
    plain: boolean,
    parts: readonly Term[],
    more: Partial<Term> = {},
  ): Term {
    const name = `${kind} ${key}`
    let term = this.all.get(name)
    if (!term) {
      if (this.count >= MAX_TERMS) throw tooComplex()
      const counts = kind === 'repeat' && (more.min! > 0 || more.max! < ENDLESS)
      const counted = counts || parts.some((part) => part.counted)
      term = { id: this.count++, kind, nullable, plain, counted, parts, min: 0, max: 0, ...more }
      this.all.set(name, term)
    }
    return term
  }

  /** The class of each byte, as an index of rows. */
  get byteClasses(): Uint8Array {
    return this.classes
  }

  get classCount(): number {
    return this.representatives.length
  }

  /** Makes one class of all bytes that no set tells apart. No set can be added any more. */
  settle(): void {
    // Each set splits every class that it holds in part.
    const classes = new Uint8Array(256)
    const split = new Int16Array(512)
    let count = 1
    const singles = Array.from(this.singles, (byte) => {
      const set = new Uint32Array(8)
      setBit(set, byte)
      return set
    })
    for (const set of [...this.sets.values(), ...singles]) {
      split.fill(-1)
      count = 0
      for (let byte = 0; byte < 256; byte++) {
        const part = classes[byte]! * 2 + Number(hasBit(set, byte))
        if (split[part]! < 0) split[part] = count++
        classes[byte] = split[part]!
      }
    }
    this.classes = classes
    this.representatives = Array.from({ length: count }, (_, index) => classes.indexOf(index))
    this.settled = true
    for (const term of this.all.values()) delete term.row
  }

  /** The byte of a class; undefined where it has several. */
  onlyByteOf(index: number): number | undefined {
    const byte = this.representatives[index]!
    return this.classes.indexOf(index, byte + 1) < 0 ? byte : undefined
  }

  /** Whether a text is in the language. */
  matches(term: Term, bytes: Iterable<number>): boolean {
    let at = term
    for (const byte of bytes) at = this.row(at)[this.classes[byte]!]!
    return at.nullable
  }

  /**
   * What remains of a term after a byte of each class.
   *
   * @throws GrammarError where too many are made since {@link allow}
   */
  row(term: Term): readonly Term[] {
    if (!term.row) {
      if (this.workLeft <= 0) throw tooComplex()
      term.row = this.makeRow(term)
      this.workLeft -= ROW_WORK
      for (const after of term.row) if (after !== this.none) this.workLeft--
    }
    return term.row
  }

  /** What remains of a term after a byte of a class. A literal is read without a row. */
  after(term: Term, index: number): Term {
    if (term.row) return term.row[index]!
    const literal = literalOf(term)
    if (literal === undefined) return this.row(term)[index]!
    if (this.classes[literal.charCodeAt(0)] !== index) return this.none
    const left = this.rest(literal.slice(1))
    return term.kind === 'literal' ? left : this.pair(left, term.parts[1]!)
  }

  /** Begins a step, which may do so much work: terms in rows, and parts of `or` and `and`. Some thousand take a millisecond. */
  allow(work: number): void {
    this.workLeft = work
  }

  private makeRow(term: Term): readonly Term[] {
    const { kind, parts } = term
    const bytes = this.representatives
    switch (kind) {
      case 'none':
      case 'empty':
        return bytes.map(() => this.none)
      case 'bytes': {
        const set = term.set!
        return bytes.map((byte) => (hasBit(set, byte) ? this.empty : this.none))
      }
      case 'literal': {
        const row = bytes.map(() => this.none)
        row[this.classes[term.text!.charCodeAt(0)]!] = this.rest(term.text!.slice(1))
        return row
      }
      case 'multiple':
        return bytes.map((byte) => {
          const after = multipleAfter(term.multiple!, byte)
          return after ? this.multiple(after) : this.none
        })
      case 'not':
        return mapOnce(this.row(parts[0]!), (after) => this.not(after))
      case 'repeat': {
        const next = this.repeat(parts[0]!, Math.max(term.min - 1, 0), term.max - 1)
        return mapOnce(this.row(parts[0]!), (after) => this.pair(after, next))
      }
      case 'sequence': {
        const [first, rest] = parts as [Term, Term]
        const row = mapOnce(this.row(first), (after) => this.pair(after, rest))
        if (!first.nullable) return row
        const skipped = this.row(rest)
        return row.map((after, i) => (skipped[i] === this.none ? after : this.or([after, skipped[i]!])))
      }
      case 'or':
        return this.unionRow(parts)
      case 'and': {
        const rows = parts.map((part) => this.row(part))
        return bytes.map((_, i) => {
          const after = rows.map((row) => row[i]!)
          return after.includes(this.none) ? this.none : this.and(after)
        })
      }
    }
  }

  private unionRow(parts: readonly Term[]): Term[] {
    const options = this.representatives.map((): Term[] => [])
    for (const part of parts) {
      // Of many literals each goes on after one byte.
      const literal = literalOf(part)
      if (literal !== undefined) {
        const index = this.classes[literal.charCodeAt(0)]!
        options[index]!.push(this.after(part, index))
      } else for (const [i, after] of this.row(part).entries()) if (after !== this.none) options[i]!.push(after)
    }
    return options.map((each) => (each.length > 1 ? this.or(each) : (each[0] ?? this.none)))
  }

  /**
   * Whether a term's language has a text at all.
   *
   * @throws GrammarError where too many states would have to be looked at
   */
  isAlive(term: Term): boolean {
    if (term.plain) return term !== this.none
    term.alive ??= term.nullable || this.findText(term)
    return term.alive
  }

  private findText(term: Term): boolean {
    switch (term.kind) {
      case 'sequence': {
        let last = term
        for (; last.kind === 'sequence'; last = last.parts[1]!) if (!this.isAlive(last.parts[0]!)) return false
        return this.isAlive(last)
      }
      case 'or':
        return term.parts.some((part) => this.isAlive(part))
      case 'repeat':
        return this.isAlive(term.parts[0]!)
      case 'multiple':
        return hasMultiple(term.multiple!)
      case 'and':
        return this.multipleAmongAll(term) ?? this.search(term)
      default:
        return this.search(term)
    }
  }

  /** Of a multiple, where enough digits may follow, whether there is one: a search would look at as many states as the divisor. */
  private multipleAmongAll({ parts }: Term): boolean | undefined {
    const [found, ...more] = parts.filter(({ kind }) => kind === 'multiple')
    if (!found || more.length > 0) return undefined
    const { divisor, fraction } = found.multiple!
    const needed = `${divisor}`.length + fraction
    const takesDigits = (part: Term): boolean => {
      const first = part.kind === 'sequence' && part.parts[1]!.nullable ? part.parts[0]! : part
      const set = first.kind === 'repeat' && first.min === 0 && first.max >= needed ? first.parts[0]!.set : undefined
      return set !== undefined && DIGITS.every((byte) => hasBit(set, byte))
    }
    return parts.every((part) => part === found || takesDigits(part)) ? hasMultiple(found.multiple!) : undefined
  }

  /** Looks for a text among all that may follow: of `and` and `not` the parts do not tell. */
  private search(term: Term): boolean {
    // Depth first, each state with the one that it was reached from: all on the way to a text are alive.
    const from = new Map<Term, Term | undefined>([[term, undefined]])
    const open = [term]
    for (let state = open.pop(); state; state = open.pop()) {
      if (from.size > MAX_SEARCH) throw tooComplex()
      // The lowest byte is tried first: a quote ends a text, a zero makes a multiple of ten.
      for (const next of [...new Set(this.row(state))].reverse()) {
        if (next === this.none || next.alive === false || from.has(next)) continue
        from.set(next, state)
        const parted = next.kind !== 'and' && next.kind !== 'not'
        const found = parted ? this.isAlive(next) : next.kind === 'and' && this.multipleAmongAll(next)
        if (next.nullable || next.alive || found) {
          for (let alive: Term | undefined = next; alive; alive = from.get(alive)) alive.alive = true
          return true
        }
        if (!parted) open.push(next)
      }
    }
    for (const dead of from.keys()) dead.alive = false
    return false
  }
}

/** The text that a term begins with, one character a byte; undefined where it has a choice at once. */
export function literalOf({ kind, text, parts }: Term): string | undefined {
  return kind === 'sequence' ? parts[0]!.text : text
}

function bytesOf(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0))
}

function keyOf(set: ByteSet): string {
  return String.fromCharCode(...new Uint16Array(set.buffer, set.byteOffset, 16))
}

/** A text that terms of any grammar share where they are built alike; undefined where it would be long. */
export function signature(term: Term): string | undefined {
  if (!('signature' in term)) term.signature = makeSignature(term)
  return term.signature
}

function makeSignature({ kind, parts, set, text, min, max, multiple }: Term): string | undefined {
  const own = [kind, set && keyOf(set), text?.length, text, min, max, multiple && Object.values(multiple).join()].join()
  const below = parts.length > MAX_SIGNED_PARTS ? [undefined] : parts.map(signature)
  if (below.includes(undefined)) return undefined
  const made = `${own}(${below.join()})`
  return made.length > MAX_SIGNATURE ? undefined : made
}

function mapOnce(row: readonly Term[], map: (term: Term) => Term): Term[] {
  const done = new Map<Term, Term>()
  return row.map((term) => {
    let mapped = done.get(term)
    if (!mapped) {
      mapped = map(term)
      done.set(term, mapped)
    }
    return mapped
  })
}

function ids(parts: readonly Term[]): string {
  return parts.map(({ id }) => id).join()
}

function isPlain({ plain }: Term): boolean {
  return plain
}

function tooComplex(): GrammarError {
  return new GrammarError(
    'GRAMMAR_COMPLEX',
    'The grammar has more states than can be held: shorten its patterns, repetitions or alternatives.',
  )
}
