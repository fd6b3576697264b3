/** Which tokens of a vocabulary a state allows. */

import { clearBit, setBit } from '../util/bits.ts'
import { Automaton, ENDED, FIRST, UNKNOWN } from './automaton.ts'
import type { Machine, State, Thread } from './machine.ts'
import { literalOf, signature, type Term, type Terms } from './terms.ts'
import { childOf, type Trie } from './trie.ts'
import { type GrammarVocabulary, type Inside, isReadable, SHORT } from './vocabulary.ts'

/** What one mask may take, some 50 ms: a grammar that takes more has too many states. */
const MAX_WORK = 100_000
/** Masks of terms that are kept. */
const MAX_KEPT = 2048
/** From so many ids on, bits are the shorter form. */
const DENSE = 4096
/** Where terms differ at more than one of so many nodes, a walk of its own is the faster. */
const FEW = 32

/** Of Masks so far. */
let grammars = 0

export class Masks {
  private readonly id = grammars++
  private readonly unbounded = new Map<Term, Term>()
  private readonly states = new WeakMap<State, Uint32Array>()
  /** By depth, of one walk. */
  private readonly stack: State[] = []

  constructor(
    private readonly machine: Machine,
    private readonly vocabulary: GrammarVocabulary,
  ) {}

  /** Bit id of word id >> 5. Not to be written to. */
  of(state: State): Uint32Array {
    let mask = this.states.get(state)
    if (!mask) {
      this.machine.terms.allow(MAX_WORK)
      mask = this.make(state)
      this.states.set(state, mask)
    }
    return mask
  }

  private make(state: State): Uint32Array {
    const { size, bytes, endOfGeneration, short, long } = this.vocabulary
    const mask = new Uint32Array(Math.ceil(size / 32))
    for (const thread of state.threads) {
      const literal = literalOf(thread.term)
      if (literal !== undefined) {
        for (const trie of [short, long]) this.addLiteral(mask, trie, literal, thread)
        continue
      }
      const after = this.machine.after(thread)
      this.addThread(mask, short, unboundedTerm(this.machine.terms, thread.term, this.unbounded), after)
      this.addThread(mask, long, thread.term, after)
    }
    for (const { symbol } of state.tokens) {
      if (!symbol.negated) setBit(mask, symbol.token)
      else {
        for (let id = 0; id < size; id++) {
          if (id !== symbol.token && !endOfGeneration.has(id) && isReadable(bytes[id]!)) setBit(mask, id)
        }
      }
    }
    if (state.complete) for (const id of endOfGeneration) setBit(mask, id)
    return mask
  }

  /** Adds the tokens that a literal begins with, and those that go on where it ends. */
  private addLiteral(mask: Uint32Array, trie: Trie, literal: string, { term, rest, to }: Thread): void {
    let node: number | undefined = -1
    for (let i = 0; i < literal.length; i++) {
      node = childOf(trie, node, literal.charCodeAt(i))
      if (node === undefined) return
      if (i < literal.length - 1) addIds(mask, trie, node)
    }
    const left = term.kind === 'literal' ? undefined : term.parts[1]!
    const after = left ? this.machine.stateOf({ term: left, rest, to }) : this.machine.after({ rest, to })
    if (!after) return
    addIds(mask, trie, node)
    this.addBelow(mask, trie, node, after)
  }

  private addThread(mask: Uint32Array, trie: Trie, term: Term, after: State | null): void {
    const { ids, bits, exits, ends } = this.insideOf(trie, term)
    if (bits) for (let i = 0; i < mask.length; i++) mask[i]! |= bits[i]!
    else for (const id of ids) setBit(mask, id)
    if (!after) return
    const goesOn = after.threads.length > 0
    for (const [index, exit] of exits.entries()) {
      if (ends[index]) addIds(mask, trie, exit)
      if (goesOn) this.addBelow(mask, trie, exit, after)
    }
  }

  /** Adds the tokens below a node whose remaining bytes a state takes. */
  private addBelow(mask: Uint32Array, trie: Trie, top: number, from: State): void {
    const { byte, depth, end } = trie
    const last = end[top]!
    const { stack } = this
    stack[depth[top]!] = from
    for (let node = top + 1; node < last; ) {
      const next = this.machine.step(stack[depth[node]! - 1]!, byte[node]!)
      if (!next) node = end[node]!
      else {
        stack[depth[node]!] = next
        addIds(mask, trie, node)
        node++
      }
    }
  }

  private insideOf(trie: Trie, term: Term): Inside {
    const { inside, short } = this.vocabulary
    const key = `${trie === short ? 'short' : 'long'} ${signature(term) ?? `${this.id} ${term.id}`}`
    const known = inside.get(key)
    // The one that was used least recently is the first to go.
    if (known) inside.delete(key)
    else if (inside.size >= MAX_KEPT) inside.delete(inside.keys().next().value!)
    const found = known ?? this.inspect(trie, term)
    inside.set(key, found)
    return found
  }

  private inspect(trie: Trie, term: Term): Inside {
    const base = withoutExceptions(this.machine.terms, term)
    return base === term ? this.walk(trie, term) : this.walkBeside(trie, term, base)
  }

  private walk(trie: Trie, term: Term): Inside {
    const { byte, depth, end, below, firstId, ids, length } = trie
    const { classes, terms } = this.machine
    const automaton = new Automaton(terms, term)
    const { width } = automaton
    const bits = new Uint32Array(Math.ceil(this.vocabulary.size / 32))
    const exits: number[] = []
    const ends: number[] = []
    /** States by depth. */
    const stack = new Int32Array(trie.deepest + 1).fill(FIRST)
    let { table } = automaton
    /** Of the ids of nodes that are allowed one after the other. */
    let first = 0
    for (let node = 0; node < length; ) {
      const level = depth[node]!
      const state = stack[level - 1]!
      const index = classes[byte[node]!]!
      let code = table[state * width + index]!
      if (code === UNKNOWN) {
        code = automaton.fill(state, index)
        table = automaton.table
      }
      if (code <= ENDED) {
        if (code === ENDED) {
          exits.push(node)
          ends.push(1)
        }
        for (let i = first; i < firstId[node]!; i++) setBit(bits, ids[i]!)
        node = end[node]!
        first = firstId[node]!
        continue
      }
      if (code & 1) {
        exits.push(node)
        ends.push(0)
      }
      const next = code >> 1
      stack[level] = next
      // All that is below is allowed where no byte of it leaves the state.
      const groups = below[node]!
      node = groups === 0 || (groups & ~automaton.loopsAt(next)) === 0 ? end[node]! : node + 1
    }
    for (let i = first; i < ids.length; i++) setBit(bits, ids[i]!)
    return compact(bits, exits, ends)
  }

  /** As {@link walk}, for a term that differs from another at few nodes: where the two come to be one, so are their masks. */
  private walkBeside(trie: Trie, term: Term, base: Term): Inside {
    const { byte, depth, end, length } = trie
    const { terms, classes } = this.machine
    const other = this.insideOf(trie, base)
    const bits = other.bits?.slice() ?? new Uint32Array(Math.ceil(this.vocabulary.size / 32))
    for (const id of other.ids) setBit(bits, id)
    const exits: number[] = []
    const ends: number[] = []
    const rows = [terms.row(term)]
    const baseRows = [terms.row(base)]
    let exit = 0
    let different = 0
    for (let node = 0; node < length; ) {
      const index = classes[byte[node]!]!
      const beside = baseRows[depth[node]! - 1]![index]!
      const same = rows[depth[node]! - 1]![index]! === beside
      const last = same ? end[node]! : node + 1
      for (; exit < other.exits.length && other.exits[exit]! < last; exit++) {
        if (!same) continue
        exits.push(other.exits[exit]!)
        ends.push(other.ends[exit]!)
      }
      if (same) node = last
      else {
        if (++different > length / FEW) return this.walk(trie, term)
        removeIds(bits, trie, node)
        baseRows[depth[node]!] = terms.row(beside)
        const next = this.visit(trie, node, rows, bits, exits, ends)
        // What the exceptions rule out, the other term had allowed.
        for (let below = node + 1; below < next; below++) {
          removeIds(bits, trie, below)
        }
        while (exit < other.exits.length && other.exits[exit]! < next) exit++
        node = next
      }
    }
    return compact(bits, exits, ends)
  }

  /** Reads the byte of a node, and returns the node to go on with. */
  private visit(
    trie: Trie,
    node: number,
    rows: (readonly Term[])[],
    bits: Uint32Array,
    exits: number[],
    ends: number[],
  ): number {
    const { byte, depth, end } = trie
    const { terms, classes } = this.machine
    const next = rows[depth[node]! - 1]![classes[byte[node]!]!]!
    if (next === terms.none || !(next.plain || terms.isAlive(next))) return end[node]!
    if (next === terms.empty) {
      exits.push(node)
      ends.push(1)
      return end[node]!
    }
    if (next.nullable) {
      exits.push(node)
      ends.push(0)
    }
    addIds(bits, trie, node)
    rows[depth[node]!] = next.row ?? terms.row(next)
    return node + 1
  }
}

function compact(bits: Uint32Array, exits: readonly number[], ends: readonly number[]): Inside {
  const ids: number[] = []
  for (let word = 0; word < bits.length && ids.length < DENSE; word++) {
    for (let rest = bits[word]!; rest !== 0; rest &= rest - 1) {
      ids.push(word * 32 + 31 - Math.clz32(rest & -rest))
    }
  }
  const dense = ids.length >= DENSE
  return {
    ids: Int32Array.from(dense ? [] : ids),
    bits: dense ? bits : undefined,
    exits: Int32Array.from(exits),
    ends: Uint8Array.from(ends),
  }
}

/** The term without what is ruled out: `all but some names` as `all names`. */
function withoutExceptions(terms: Terms, term: Term): Term {
  if (term.plain) return term
  if (term.kind === 'sequence') {
    const [first, rest] = term.parts as [Term, Term]
    return terms.sequence([withoutExceptions(terms, first), rest])
  }
  if (term.kind !== 'and') return term
  const plain = term.parts.filter((part) => part.plain)
  const others = term.parts.filter((part) => !part.plain)
  return plain.length === 1 && others.every(({ kind }) => kind === 'not') ? plain[0]! : term
}

/**
 * The term without upper bounds that no text of SHORT bytes reaches: it allows the same short tokens, so that all
 * states of a counter share one mask. Only of plain terms, where nothing else can make a bound matter.
 */
function unboundedTerm(terms: Terms, term: Term, known: Map<Term, Term>): Term {
  if (!term.plain || !term.counted) return term
  let made = known.get(term)
  if (!made) {
    made = rebuild(terms, term, known)
    known.set(term, made)
  }
  return made
}

function rebuild(terms: Terms, term: Term, known: Map<Term, Term>): Term {
  const parts = term.parts.map((part) => unboundedTerm(terms, part, known))
  switch (term.kind) {
    case 'sequence':
      return terms.sequence(parts)
    case 'or':
      return terms.or(parts)
    case 'repeat': {
      const { min, max } = term
      return terms.repeat(parts[0]!, Math.min(min, SHORT + 1), max > SHORT ? Number.POSITIVE_INFINITY : max)
    }
    default:
      return term
  }
}

function addIds(bits: Uint32Array, { firstId, ids }: Trie, node: number): void {
  for (let i = firstId[node]!; i < firstId[node + 1]!; i++) setBit(bits, ids[i]!)
}

function removeIds(bits: Uint32Array, { firstId, ids }: Trie, node: number): void {
  for (let i = firstId[node]!; i < firstId[node + 1]!; i++) clearBit(bits, ids[i]!)
}
