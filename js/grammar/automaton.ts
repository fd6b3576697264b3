/** The derivatives of a term as a table of numbers, made as they are asked for: trees of tokens are walked by it. */

import { literalOf, type Term, type Terms } from './terms.ts'
import { GROUPS } from './trie.ts'

/** What follows was not asked for yet. */
export const UNKNOWN = 0
/** Nothing follows. */
export const REFUSED = 2
/** The term is read, and cannot go on. */
export const ENDED = 3
/** The state of the term itself. */
export const FIRST = 2

export class Automaton {
  /**
   * What follows a byte of a class in a state, at state * width + class: UNKNOWN, REFUSED, ENDED, or the next state × 2, and 1
   * more where the term may end there.
   */
  table: Int32Array
  /** Classes of bytes. */
  readonly width: number
  /** By state, once asked for. */
  private readonly loops: (number | undefined)[] = []
  /** By state. */
  private readonly states: Term[] = []
  private readonly numbers = new Map<Term, number>()

  constructor(
    private readonly terms: Terms,
    term: Term,
  ) {
    this.width = terms.classCount
    this.table = new Int32Array(8 * this.width)
    this.states[FIRST] = term
    this.numbers.set(term, FIRST)
  }

  /** Fills a place of the table, which may be another array then. */
  fill(state: number, index: number): number {
    const next = this.terms.after(this.states[state]!, index)
    const code = this.codeOf(next)
    this.table[state * this.width + index] = code
    return code
  }

  /** The groups of bytes that all lead back to a state, where the term cannot end in it: bit g for group g of GROUPS. */
  loopsAt(state: number): number {
    const known = this.loops[state] ?? this.loopsOf(this.states[state]!)
    this.loops[state] = known
    return known
  }

  private codeOf(term: Term): number {
    const { terms, numbers, states, width } = this
    if (!terms.isAlive(term)) return REFUSED
    if (term === terms.empty) return ENDED
    let number = numbers.get(term)
    if (number === undefined) {
      number = states.length
      states.push(term)
      numbers.set(term, number)
      if (states.length * width > this.table.length) {
        const table = new Int32Array(this.table.length * 2)
        table.set(this.table)
        this.table = table
      }
    }
    return number * 2 + Number(term.nullable)
  }

  private loopsOf(term: Term): number {
    if (literalOf(term) !== undefined) return 0
    const row = this.terms.row(term)
    if (term.nullable || !row.includes(term)) return 0
    const { byteClasses } = this.terms
    return byteClasses.reduce((loops, index, byte) => (row[index] === term ? loops : loops & ~(1 << GROUPS[byte]!)), -1)
  }
}
