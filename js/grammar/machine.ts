/**
 * Reads bytes by a grammar. A state holds every way that is open: the term that is being read, what follows it in its
 * rule, and the rules to return to. Ways that return to the same places share them, so that an ambiguous grammar costs no
 * more than Earley's algorithm. Equal states are one object, and remember the states that follow.
 */

import { GrammarError } from '../errors.ts'
import type { Expressions, GrammarExpression, GrammarRule, GrammarSymbol, TokenSymbol } from './expressions.ts'
import { literalOf, type Term, type Terms } from './terms.ts'

/** Where to go on once a rule is read: the rest of the rule that called it, and where that returns to. */
interface Return {
  readonly rest: GrammarExpression
  readonly to: ReturnNode
}

/** All the places that a rule returns to; none for the grammar's own. */
interface ReturnNode {
  readonly id: number
  readonly returns: readonly Return[]
}

/** A term that is being read. */
export interface Thread extends Return {
  readonly term: Term
}

/** A token that may come next. */
interface TokenThread extends Return {
  readonly symbol: TokenSymbol
}

export interface State {
  readonly threads: readonly Thread[]
  readonly tokens: readonly TokenThread[]
  /** The text so far is a whole sentence. */
  readonly complete: boolean
  /** By byte class; null where no way is left, undefined where it was not asked for. */
  readonly row: (State | null | undefined)[]
}

/** What one token may take: some 20 ms. */
const MAX_WORK = 60_000
/** Ways that a state may hold. */
const MAX_THREADS = 20_000
/** States and nodes that are remembered; then they are forgotten, and made anew where they are needed. */
const MAX_STATES = 20_000

export class Machine {
  readonly terms: Terms
  readonly classes: Uint8Array
  private states = new Map<string, State>()
  private nodes = new Map<string, ReturnNode>()
  private nodeCount = 0
  private readonly bottom: ReturnNode = { id: this.nodeCount++, returns: [] }
  readonly start: State

  constructor(
    readonly expressions: Expressions,
    root: GrammarExpression,
  ) {
    this.terms = expressions.terms
    this.terms.settle()
    this.classes = this.terms.byteClasses
    const closure = new Closure(this)
    closure.resume({ rest: root, to: this.bottom })
    this.start = closure.state()
  }

  /** Whether a text can begin at all. */
  canStart(): boolean {
    const { threads, tokens, complete } = this.start
    return complete || tokens.length > 0 || threads.some(({ term }) => this.terms.isAlive(term))
  }

  /** The state after a byte; null where it is refused. */
  step(state: State, byte: number): State | null {
    const index = this.classes[byte]!
    const known = state.row[index]
    if (known !== undefined) return known
    const next = this.advance(state.threads, index)
    state.row[index] = next
    return next
  }

  /** The state after some bytes; null where one is refused. */
  read(state: State, bytes: Iterable<number>): State | null {
    let at: State | null = state
    for (const byte of bytes) {
      if (!at) return null
      at = this.step(at, byte)
    }
    return at
  }

  /** The byte that has to come next; undefined where there are several, or the text may end. */
  onlyByte(state: State): number | undefined {
    if (state.complete || state.tokens.length > 0) return undefined
    let only: number | undefined
    for (const { term } of state.threads) {
      const literal = literalOf(term)
      const next = literal === undefined ? this.terms.row(term) : []
      const found = literal === undefined ? [...next.keys()] : [this.classes[literal.charCodeAt(0)]!]
      for (const index of found) {
        if (index === only || (literal === undefined && !this.terms.isAlive(next[index]!))) continue
        if (only !== undefined) return undefined
        only = index
      }
    }
    return only === undefined ? undefined : this.terms.onlyByteOf(only)
  }

  private advance(threads: readonly Thread[], index: number): State | null {
    const closure = new Closure(this)
    for (const { term, rest, to } of threads) {
      const after = this.terms.after(term, index)
      if (!this.terms.isAlive(after)) continue
      if (after !== this.terms.empty) closure.read(after, rest, to)
      if (after.nullable) closure.resume({ rest, to })
    }
    return closure.alive()
  }

  /** The state of one thread alone. */
  stateOf({ term, rest, to }: Thread): State {
    const closure = new Closure(this)
    closure.read(term, rest, to)
    if (term.nullable) closure.resume({ rest, to })
    return closure.state()
  }

  /** The state once a thread's term is read. */
  after({ rest, to }: Return): State | null {
    const closure = new Closure(this)
    closure.resume({ rest, to })
    return closure.alive()
  }

  /**
   * The state after a token, by its bytes or by its id; null where it is refused.
   *
   * @param ends the token ends generation: it stands for itself alone, where it is named
   */
  readToken(state: State, id: number, bytes: Uint8Array, ends: boolean): State | null {
    this.terms.allow(MAX_WORK)
    const byBytes = bytes.length > 0 && !ends ? this.read(state, bytes) : null
    const matching = state.tokens.filter(({ symbol }) =>
      symbol.negated ? symbol.token !== id && !ends : symbol.token === id,
    )
    if (matching.length === 0) return byBytes
    const closure = new Closure(this)
    for (const thread of matching) closure.resume(thread)
    if (byBytes) closure.join(byBytes)
    return closure.alive()
  }

  /** @internal */
  node(returns: readonly Return[]): ReturnNode {
    const sorted = [...returns].sort((a, b) => a.rest.id - b.rest.id || a.to.id - b.to.id)
    const key = sorted.map(({ rest, to }) => `${rest.id},${to.id}`).join(' ')
    let node = this.nodes.get(key)
    if (!node) {
      node = { id: this.nodeCount++, returns: sorted }
      this.nodes.set(key, node)
    }
    return node
  }

  /** @internal */
  state(threads: ReadonlyMap<string, Thread>, tokens: ReadonlyMap<string, TokenThread>, complete: boolean): State {
    if (threads.size + tokens.size > MAX_THREADS) {
      const message = 'The grammar is too ambiguous: too many ways are open at one place of the text.'
      throw new GrammarError('GRAMMAR_COMPLEX', message)
    }
    const key = `${[...threads.keys()].sort().join(' ')}/${[...tokens.keys()].sort().join(' ')}/${complete}`
    let state = this.states.get(key)
    if (!state) {
      if (this.states.size >= MAX_STATES) {
        this.states = new Map()
        this.nodes = new Map()
      }
      state = { threads: [...threads.values()], tokens: [...tokens.values()], complete, row: [] }
      this.states.set(key, state)
    }
    return state
  }
}

/** Gathers all that may come next at one place of the text. */
class Closure {
  private readonly threads = new Map<string, Thread>()
  private readonly tokens = new Map<string, TokenThread>()
  private readonly resumed = new Set<string>()
  /** Rules that begin here, with the places that they return to. */
  private readonly calls = new Map<GrammarRule, Map<string, Return>>()
  private complete = false

  constructor(private readonly machine: Machine) {}

  read(term: Term, rest: GrammarExpression, to: ReturnNode): void {
    this.threads.set(`${term.id},${rest.id},${to.id}`, { term, rest, to })
  }

  /** Goes on at a place, and where nothing has to follow there, at those that it returns to. */
  resume(place: Return): void {
    const { rest, to } = place
    const key = keyOf(place)
    if (this.resumed.has(key)) return
    this.resumed.add(key)
    this.begin(rest, to)
    if (!this.machine.expressions.isNullable(rest)) return
    if (to.returns.length === 0) this.complete = true
    for (const next of to.returns) this.resume(next)
  }

  private begin(expression: GrammarExpression, to: ReturnNode): void {
    for (const { symbol, rest } of this.machine.expressions.startsOf(expression)) this.add(symbol, rest, to)
  }

  private add(symbol: GrammarSymbol, rest: GrammarExpression, to: ReturnNode): void {
    if ('term' in symbol) this.read(symbol.term, rest, to)
    else if ('token' in symbol) {
      this.tokens.set(`${symbol.token},${symbol.negated},${rest.id},${to.id}`, { symbol, rest, to })
    } else {
      const returns = this.calls.get(symbol.rule) ?? new Map<string, Return>()
      this.calls.set(symbol.rule, returns)
      // The last call of a rule returns where the rule itself does.
      const places = rest === this.machine.expressions.empty && to.returns.length > 0 ? to.returns : [{ rest, to }]
      for (const place of places) returns.set(keyOf(place), place)
    }
  }

  /** Adds all that another state holds. */
  join({ threads, tokens, complete }: State): void {
    for (const { term, rest, to } of threads) this.read(term, rest, to)
    for (const { symbol, rest, to } of tokens) this.add(symbol, rest, to)
    this.complete ||= complete
  }

  state(): State {
    // In the order of ranks: when a rule's turn comes, all that call it here have called it.
    while (this.calls.size > 0) {
      const rule = [...this.calls.keys()].reduce((a, b) => (b.rank < a.rank ? b : a))
      const returns = this.calls.get(rule)!
      this.calls.delete(rule)
      // Where the rule may be empty, that was seen at its caller.
      this.begin(rule.body, this.machine.node([...returns.values()]))
    }
    return this.machine.state(this.threads, this.tokens, this.complete)
  }

  alive(): State | null {
    const state = this.state()
    return state.threads.length > 0 || state.tokens.length > 0 || state.complete ? state : null
  }
}

function keyOf({ rest, to }: Return): string {
  return `${rest.id},${to.id}`
}
