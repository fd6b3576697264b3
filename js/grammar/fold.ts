/** Makes one term of every part of a grammar that is a regular expression: an automaton reads it faster than rules do. */

import type { Expressions, GrammarExpression, GrammarRule } from './expressions.ts'
import type { Term } from './terms.ts'

/**
 * Folds the bodies of rules.
 *
 * @returns what stands for the root
 */
export function foldRegular(
  expressions: Expressions,
  rules: readonly GrammarRule[],
  root: GrammarRule,
): GrammarExpression {
  const fold = new Fold(expressions)
  for (const rule of rules) fold.rule(rule)
  return fold.expression(expressions.reference(root))
}

class Fold {
  private readonly done = new Map<GrammarExpression, GrammarExpression>()
  /** The term of each rule that has one, undefined while it is looked for. */
  private readonly rules = new Map<GrammarRule, Term | undefined>()

  constructor(private readonly expressions: Expressions) {}

  rule(rule: GrammarRule): Term | undefined {
    if (!this.rules.has(rule)) {
      // A rule that is met again below itself is not regular.
      this.rules.set(rule, undefined)
      rule.body = this.expression(rule.body)
      this.rules.set(rule, this.termOf(rule.body))
    }
    return this.rules.get(rule)
  }

  expression(expression: GrammarExpression): GrammarExpression {
    let folded = this.done.get(expression)
    if (!folded) {
      folded = this.make(expression)
      this.done.set(expression, folded)
    }
    return folded
  }

  private termOf({ kind, symbol }: GrammarExpression): Term | undefined {
    if (kind === 'empty') return this.expressions.terms.empty
    return symbol && 'term' in symbol ? symbol.term : undefined
  }

  private make(expression: GrammarExpression): GrammarExpression {
    const { expressions } = this
    const { terms } = expressions
    const { kind, symbol, min, max } = expression
    const parts = expression.parts.map((part) => this.expression(part))
    switch (kind) {
      case 'symbol': {
        const term = symbol && 'rule' in symbol ? this.rule(symbol.rule) : undefined
        return term ? expressions.term(term) : expression
      }
      case 'sequence': {
        const [first, rest] = parts as [GrammarExpression, GrammarExpression]
        // The rest may begin with a term of its own.
        const next = rest.kind === 'sequence' ? rest.parts[0]! : rest
        const [a, b] = [this.termOf(first), this.termOf(next)]
        if (!a || !b) return expressions.sequence([first, rest])
        const joined = expressions.term(terms.sequence([a, b]))
        return rest.kind === 'sequence' ? expressions.sequence([joined, rest.parts[1]!]) : joined
      }
      case 'choice': {
        const regular = parts.flatMap((part) => this.termOf(part) ?? [])
        const others = parts.filter((part) => !this.termOf(part))
        return expressions.choice(regular.length > 0 ? [expressions.term(terms.or(regular)), ...others] : others)
      }
      case 'repeat': {
        const term = this.termOf(parts[0]!)
        return term ? expressions.term(terms.repeat(term, min, max)) : expressions.repeat(parts[0]!, min, max)
      }
      default:
        return expression
    }
  }
}
