/** Makes expressions of parts: of a grammar by itself, and of a message with reasoning, calls and an answer. */

import { GrammarError } from '../errors.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Expressions, GrammarExpression } from './expressions.ts'
import { parseGbnf } from './gbnf.ts'
import { JsonText } from './json-text.ts'
import { patternTerm, plainText } from './pattern.ts'
import { schemaExpression } from './schema/emit.ts'
import type { GrammarPart } from './source.ts'
import type { Term, Terms } from './terms.ts'

/** @throws GrammarError of what a part holds */
export function partExpression(part: GrammarPart, expressions: Expressions, tokenizer: Tokenizer): GrammarExpression {
  const { terms } = expressions
  const of = (each: GrammarPart): GrammarExpression => partExpression(each, expressions, tokenizer)
  if (typeof part === 'string') return expressions.term(literal(terms, part))
  if ('all' in part) return expressions.sequence(part.all.map(of))
  if ('any' in part) return expressions.choice(part.any.map(of))
  if ('some' in part) return expressions.repeat(of(part.some), part.min, part.max)
  if ('gbnf' in part) return parseGbnf(part.gbnf, expressions, tokenizer)
  if ('regex' in part) return expressions.term(patternTerm(part.regex, plainText(terms), true))
  if ('until' in part) {
    const plain = plainText(terms)
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
