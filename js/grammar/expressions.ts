/** What grammars are made of: sequences, choices and repetitions of terms, tokens and rules. Equal ones are one object. */

import type { Term, Terms } from './terms.ts'

/** A rule, which may refer to itself; the body is set once all are known. */
export interface GrammarRule {
  readonly name: string
  readonly index: number
  body: GrammarExpression
  /** Whether it may be empty. */
  nullable: boolean
  /** Rules that it may begin with come later in this order. */
  rank: number
}

/** One token of a vocabulary by its id, or any but one. */
export interface TokenSymbol {
  readonly token: number
  readonly negated: boolean
}

export type GrammarSymbol = { readonly term: Term } | TokenSymbol | { readonly rule: GrammarRule }

/** A symbol that an expression may begin with, and what follows it. */
export interface Start {
  readonly symbol: GrammarSymbol
  readonly rest: GrammarExpression
}

export interface GrammarExpression {
  readonly id: number
  readonly kind: 'empty' | 'symbol' | 'sequence' | 'choice' | 'repeat' | 'lazy'
  readonly symbol?: GrammarSymbol
  readonly parts: readonly GrammarExpression[]
  readonly min: number
  readonly max: number
  readonly make?: () => GrammarExpression
  /** Once made. */
  starts?: readonly Start[]
}

export class Expressions {
  private readonly all = new Map<string, GrammarExpression>()
  private readonly rules: GrammarRule[] = []
  readonly empty: GrammarExpression
  private schemas = 0

  constructor(readonly terms: Terms) {
    this.empty = this.intern('empty', '', [])
  }

  term(term: Term): GrammarExpression {
    return term === this.terms.empty ? this.empty : this.intern('symbol', `term ${term.id}`, [], { symbol: { term } })
  }

  token(token: number, negated: boolean): GrammarExpression {
    return this.intern('symbol', `token ${token} ${negated}`, [], { symbol: { token, negated } })
  }

  /** A new rule; its body is empty until it is set. */
  rule(name: string): GrammarRule {
    const rule = { name, index: this.rules.length, body: this.empty, nullable: false, rank: 0 }
    this.rules.push(rule)
    return rule
  }

  reference(rule: GrammarRule): GrammarExpression {
    return this.intern('symbol', `rule ${rule.index}`, [], { symbol: { rule } })
  }

  sequence(parts: readonly GrammarExpression[]): GrammarExpression {
    return parts.reduceRight((rest, part) => this.pair(part, rest), this.empty)
  }

  private pair(first: GrammarExpression, rest: GrammarExpression): GrammarExpression {
    if (first === this.empty) return rest
    if (rest === this.empty) return first
    return this.intern('sequence', `${first.id},${rest.id}`, [first, rest])
  }

  /** One of some; of none at all, nothing fits. */
  choice(options: readonly GrammarExpression[]): GrammarExpression {
    const parts = [...new Set(options)]
    if (parts.length === 1) return parts[0]!
    return this.intern('choice', parts.map(({ id }) => id).join(), parts)
  }

  repeat(part: GrammarExpression, min = 0, max = Number.POSITIVE_INFINITY): GrammarExpression {
    if (max === 0 || part === this.empty) return this.empty
    if (min === 1 && max === 1) return part
    return this.intern('repeat', `${part.id},${min},${max}`, [part], { min, max })
  }

  /** Tells the lazy expressions of one schema from those of another. */
  nextSchema(): number {
    return this.schemas++
  }

  /** What `make` gives, made when it is reached. `key` tells it from every other. It is not empty. */
  lazy(key: string, make: () => GrammarExpression): GrammarExpression {
    return this.intern('lazy', key, [], { make })
  }

  private intern(
    kind: GrammarExpression['kind'],
    key: string,
    parts: readonly GrammarExpression[],
    more: Partial<GrammarExpression> = {},
  ): GrammarExpression {
    const name = `${kind} ${key}`
    let expression = this.all.get(name)
    if (!expression) {
      expression = { id: this.all.size, kind, parts, min: 0, max: 0, ...more }
      this.all.set(name, expression)
    }
    return expression
  }

  isNullable({ kind, symbol, parts, min }: GrammarExpression): boolean {
    switch (kind) {
      case 'empty':
        return true
      case 'symbol':
        return 'term' in symbol! ? symbol.term.nullable : 'rule' in symbol! ? symbol.rule.nullable : false
      case 'sequence':
        return parts.every((part) => this.isNullable(part))
      case 'choice':
        return parts.some((part) => this.isNullable(part))
      case 'repeat':
        return min === 0 || this.isNullable(parts[0]!)
      case 'lazy':
        return false
    }
  }

  /** All that an expression may begin with. */
  startsOf(expression: GrammarExpression): readonly Start[] {
    expression.starts ??= this.makeStarts(expression)
    return expression.starts
  }

  private makeStarts({ kind, symbol, parts, min, max, make }: GrammarExpression): Start[] {
    switch (kind) {
      case 'empty':
        return []
      case 'symbol':
        return [{ symbol: symbol!, rest: this.empty }]
      case 'sequence': {
        const [first, rest] = parts as [GrammarExpression, GrammarExpression]
        const starts = this.startsOf(first).map((start) => ({ ...start, rest: this.pair(start.rest, rest) }))
        return this.isNullable(first) ? [...starts, ...this.startsOf(rest)] : starts
      }
      case 'choice':
        return parts.flatMap((part) => this.startsOf(part))
      case 'repeat': {
        const [part] = parts as [GrammarExpression]
        // A part that may be empty fulfils a minimum by itself.
        const least = this.isNullable(part) ? 0 : Math.max(min - 1, 0)
        const next = this.repeat(part, least, max - 1)
        return this.startsOf(part).map((start) => ({ ...start, rest: this.pair(start.rest, next) }))
      }
      case 'lazy':
        return [...this.startsOf(make!())]
    }
  }

  /**
   * Settles which rules may be empty, and their order.
   *
   * @returns a rule that can begin with itself: no grammar with one can be read from left to right
   */
  settle(): GrammarRule | undefined {
    for (let changed = true; changed; ) {
      changed = false
      for (const rule of this.rules) {
        if (rule.nullable || !this.isNullable(rule.body)) continue
        rule.nullable = changed = true
      }
    }
    const state = new Map<GrammarRule, 'open' | 'done'>()
    const order: GrammarRule[] = []
    const circular = (rule: GrammarRule): GrammarRule | undefined => {
      if (state.has(rule)) return state.get(rule) === 'open' ? rule : undefined
      state.set(rule, 'open')
      for (const { symbol } of this.startsOf(rule.body)) {
        const found = 'rule' in symbol ? circular(symbol.rule) : undefined
        if (found) return found
      }
      state.set(rule, 'done')
      order.push(rule)
    }
    for (const rule of this.rules) {
      const found = circular(rule)
      if (found) return found
    }
    for (const [place, rule] of order.reverse().entries()) rule.rank = place
  }
}
