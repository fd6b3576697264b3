/** Texts of several parts: what a message with reasoning, calls and an answer has to be. */

import { GrammarError } from '../errors.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Expressions, GrammarExpression } from './expressions.ts'
import { parseGbnf } from './gbnf.ts'
import { JsonText } from './json-text.ts'
import { patternTerm, plainText } from './pattern.ts'
import { schemaExpression } from './schema/emit.ts'
import type { Term, Terms } from './terms.ts'

/** A part of a text; plain data, which crosses to workers. @internal */
export type GrammarPart =
  /** As it is. */
  | string
  /** One after another. */
  | { readonly all: readonly GrammarPart[] }
  /** One of them. */
  | { readonly any: readonly GrammarPart[] }
  /** Any number. */
  | { readonly some: GrammarPart; readonly min?: number; readonly max?: number }
  /** Any text in which none of some texts, or of some expressions, stands. */
  | { readonly until: readonly string[]; readonly patterns?: readonly string[]; readonly like?: string }
  /** `of`: whose errors are told under this name. */
  | { readonly jsonSchema: unknown; readonly compact?: boolean; readonly of?: string }
  | { readonly json: true; readonly compact?: boolean }
  | { readonly gbnf: string }
  | { readonly regex: string }

/** @throws GrammarError of what a part holds */
export function partExpression(part: GrammarPart, expressions: Expressions, tokenizer: Tokenizer): GrammarExpression {
  const { terms } = expressions
  const plain = plainText(terms)
  const of = (each: GrammarPart): GrammarExpression => partExpression(each, expressions, tokenizer)
  if (typeof part === 'string') return expressions.term(literal(terms, part))
  if ('all' in part) return expressions.sequence(part.all.map(of))
  if ('any' in part) return expressions.choice(part.any.map(of))
  if ('some' in part) return expressions.repeat(of(part.some), part.min, part.max)
  if ('gbnf' in part) return parseGbnf(part.gbnf, expressions, tokenizer)
  if ('regex' in part) return expressions.term(patternTerm(part.regex, plain, true))
  if ('until' in part) {
    const marks = [
      ...part.until.map((text) => literal(terms, text)),
      ...(part.patterns ?? []).map((pattern) => patternTerm(pattern, plain, true)),
    ]
    const without = terms.not(terms.sequence([plain.anything, terms.or(marks), plain.anything]))
    const like = part.like === undefined ? plain.anything : patternTerm(part.like, plain, true)
    return expressions.term(terms.and([like, without]))
  }
  const json = new JsonText(terms, part.compact ?? false)
  if ('json' in part) return schemaExpression(true, expressions, json)
  try {
    return schemaExpression(part.jsonSchema, expressions, json)
  } catch (error) {
    if (!(error instanceof GrammarError) || part.of === undefined) throw error
    throw new GrammarError(error.code, `In ${part.of}: ${error.message}`, error.value, { cause: error })
  }
}

function literal(terms: Terms, text: string): Term {
  return terms.literal(new TextEncoder().encode(text))
}
