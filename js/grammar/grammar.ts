/** Grammars of what a model may write: compiled for a vocabulary, then followed token by token. */

import { ArgumentError, GrammarError } from '../errors.ts'
import { markTokens } from '../tokenizer/marks.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { hasBit, setBit } from '../util/bits.ts'
import { checkOptions, invalid, type OptionNames } from '../util/check.ts'
import { Expressions, type GrammarExpression } from './expressions.ts'
import { Machine, type State } from './machine.ts'
import { Masks } from './masks.ts'
import { nested } from './nesting.ts'
import { partExpression } from './parts.ts'
import { type GrammarSource, partOf } from './source.ts'
import { Terms } from './terms.ts'
import { countBelow, nodeOf } from './trie.ts'
import { type GrammarVocabulary, vocabularyOf } from './vocabulary.ts'

export type { GrammarSource } from './source.ts'

const SOURCE: OptionNames<GrammarSource> = {
  jsonSchema: true,
  json: true,
  compact: true,
  gbnf: true,
  regex: true,
  parts: true,
  marks: true,
}
const KINDS = ['jsonSchema', 'json', 'gbnf', 'regex', 'parts'] as const
/** As messages name them. */
const NAMED = KINDS.slice(0, -1).join(', ')

/** The longest text that `forced` looks for, in bytes. */
const MAX_FORCED = 1024

/**
 * Compiles a grammar for a vocabulary. What the vocabulary needs is made once, with the first grammar.
 *
 * @throws GrammarError for a grammar, schema or expression that is malformed, that asks for what cannot be enforced, that
 *   nothing fits, or that is too large; the message names the line or the keyword
 * @throws ArgumentError for a source that is none, or several
 */
export function compileGrammar(source: GrammarSource, tokenizer: Tokenizer): Grammar {
  checkOptions(source, SOURCE)
  const kinds = KINDS.filter((kind) => source[kind] !== undefined)
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) {
    const message = `A grammar is one of ${NAMED}; ${kind ? `not ${kinds.join(' and ')} at once` : 'none is given'}.`
    throw new ArgumentError('INVALID_GRAMMAR', message, source)
  }
  const { compact = false, json, gbnf = '', regex = '' } = source
  if (typeof compact !== 'boolean') throw invalid('compact', 'true or false', compact)
  if (json !== undefined && json !== true) throw invalid('json', 'true', json)
  if (typeof gbnf !== 'string') throw invalid('gbnf', 'a text', gbnf)
  if (typeof regex !== 'string') throw invalid('regex', 'a text', regex)
  return nested(() => {
    const expressions = new Expressions(new Terms())
    const root = partExpression(partOf(source), expressions, tokenizer)
    const grammar = new CompiledGrammar(tokenizer, expressions, root, source.marks)
    // Of schemas that is known by now; llama.cpp takes a grammar that nothing fits.
    if (kind === 'regex' && !grammar.machine.canStart()) {
      const message = 'No text fits the regular expression: its parts contradict each other.'
      throw new GrammarError('GRAMMAR_EMPTY', message, regex)
    }
    return grammar
  })
}

/** A compiled grammar; it may be followed by any number of texts at once. */
export interface Grammar {
  /** The state before the first token. */
  start(): GrammarState
  /** Whether some ids are a whole sentence. One that ends generation may stand at the end. */
  accepts(ids: Iterable<number>): boolean
}

/** A place in a text that follows a grammar. */
export interface GrammarState {
  /** Whether the text so far is a whole sentence: it may end here. */
  readonly complete: boolean
  /** Whether the text has to end here. */
  readonly final: boolean
  /** Whether a token may come next. Of those that end generation: where the text is complete. */
  allows(id: number): boolean
  /** Goes on by a token. false where it is refused: then nothing has changed. */
  accept(id: number): boolean
  /** The tokens that may come next: bit id & 31 of word id >> 5. The caller's own. */
  mask(): Uint32Array
  /** Tokens that have to come next, as the vocabulary writes the only text that may follow; none where there is a choice. */
  forced(): number[]
  /** A state that goes its own way from here. */
  clone(): GrammarState
}

class CompiledGrammar implements Grammar {
  readonly vocabulary: GrammarVocabulary
  readonly machine: Machine
  readonly masks: Masks
  /** Special tokens that stand for their texts; undefined where no special token may come but by its id. */
  readonly marks: ReadonlyMap<number, Uint8Array> | undefined

  constructor(tokenizer: Tokenizer, expressions: Expressions, root: GrammarExpression, marks?: readonly string[]) {
    this.vocabulary = vocabularyOf(tokenizer)
    this.machine = new Machine(expressions, root)
    this.masks = new Masks(this.machine, this.vocabulary)
    this.marks = marks && markTokens(tokenizer, marks)
  }

  start(): GrammarState {
    return new Follower(this, this.machine.start)
  }

  accepts(ids: Iterable<number>): boolean {
    const state = this.start()
    for (const id of ids) if (!state.accept(id)) return false
    return state.complete
  }
}

class Follower implements GrammarState {
  constructor(
    private readonly grammar: CompiledGrammar,
    /** null once an end-of-generation token came. */
    private state: State | null,
  ) {}

  get complete(): boolean {
    return this.state?.complete ?? true
  }

  get final(): boolean {
    return !this.state || (this.state.complete && this.state.threads.length + this.state.tokens.length === 0)
  }

  allows(id: number): boolean {
    // Of tokens that are named by their ids, and of NUL, a mask has not all that could be read.
    const { state, grammar } = this
    const byMask = state && (state.tokens.length > 0 || grammar.vocabulary.bytes[id]?.[0] === 0)
    return byMask
      ? hasBit(
          nested(() => grammar.masks.of(state)),
          id,
        )
      : this.after(id) !== undefined
  }

  accept(id: number): boolean {
    const next = this.after(id)
    if (next === undefined) return false
    this.state = next
    return true
  }

  /** The state after a token; undefined where it is refused. */
  private after(id: number): State | null | undefined {
    const { machine, vocabulary, marks } = this.grammar
    const bytes = marks?.get(id) ?? vocabulary.bytes[id]
    if (!bytes || !this.state) return undefined
    const ends = vocabulary.endOfGeneration.has(id)
    const { state } = this
    const next = nested(() => machine.readToken(state, id, bytes, ends))
    if (ends && (next ?? this.state).complete) return null
    if (!next && !ends && marks && bytes.length === 0 && this.isFree(this.state)) return this.state
    return next ?? undefined
  }

  /** Whether any text may stand here: a special token without text is then none of the grammar's business. */
  private isFree(state: State): boolean {
    // No part but free text has NUL.
    return this.grammar.machine.step(state, 0) !== null
  }

  mask(): Uint32Array {
    const { masks, vocabulary, marks } = this.grammar
    const { state } = this
    if (!state) return new Uint32Array(Math.ceil(vocabulary.size / 32))
    const mask = nested(() => masks.of(state)).slice()
    if (!marks) return mask
    const isFree = this.isFree(state)
    for (const id of vocabulary.textless) {
      if (marks.has(id) ? this.after(id) !== undefined : isFree) setBit(mask, id)
    }
    return mask
  }

  forced(): number[] {
    return nested(() => this.findForced())
  }

  private findForced(): number[] {
    const { machine, vocabulary } = this.grammar
    const text: number[] = []
    for (let state = this.state; state && text.length < MAX_FORCED; ) {
      const byte = machine.onlyByte(state)
      if (byte === undefined) break
      text.push(byte)
      state = machine.step(state, byte)
    }
    const ids = text.length > 0 ? this.encode(Uint8Array.from(text)) : []
    // A token that could be the beginning of a longer one is left to the model.
    let place = 0
    for (const [index, id] of ids.entries()) {
      for (const trie of [vocabulary.short, vocabulary.long]) {
        const node = nodeOf(trie, text.slice(place))
        if (node !== undefined && countBelow(trie, node) > 0) return ids.slice(0, index)
      }
      place += (this.grammar.marks?.get(id) ?? vocabulary.bytes[id]!).length
    }
    return ids
  }

  /** The ids of a text, marks as the tokens that stand for them. */
  private encode(text: Uint8Array): number[] {
    const { vocabulary, marks = [] } = this.grammar
    for (const [id, mark] of marks) {
      const at = indexOf(text, mark)
      if (at < 0) continue
      const [before, after] = [text.subarray(0, at), text.subarray(at + mark.length)]
      return [...this.encode(before), id, ...this.encode(after)]
    }
    return text.length > 0 ? vocabulary.encode(text) : []
  }

  clone(): GrammarState {
    return new Follower(this.grammar, this.state)
  }
}

function indexOf(text: Uint8Array, part: Uint8Array): number {
  for (let at = 0; at + part.length <= text.length; at++) {
    if (part.every((byte, i) => text[at + i] === byte)) return at
  }
  return -1
}
