/** Parses expressions, by Jinja's grammar: filters bind tighter than any operator, `~` tighter than `+`. */
import type { Arguments, CallNode, Expression, FilterCall, Target } from './ast.ts'
import type { Token } from './lexer.ts'
import { JinjaError, MOST, type Value } from './values.ts'

const CONSTANTS: Readonly<Record<string, Value>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
}
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>=']
/** What no test's argument begins with. */
const AFTER_TEST = ['else', 'or', 'and']

const described = ({ type, value }: Token) =>
  type === 'end' ? 'end of template' : `'${type === 'name' ? value : type}'`

const noArguments = (): Arguments => ({ args: [], kwargs: [], spread: undefined, spreadNames: undefined })

export class ExpressionParser {
  private at = 0
  private depth = 0
  constructor(private readonly tokens: readonly Token[]) {}

  get token(): Token {
    return this.tokens[this.at]!
  }

  next(): Token {
    const { token } = this
    if (token.type !== 'end') this.at++
    return token
  }

  fail(message: string, line = this.token.line): never {
    throw new JinjaError(message, line)
  }

  nest(depth: number): void {
    if (depth > MOST.depth) this.fail('it is nested too deeply')
  }

  private ahead(): Token {
    return this.tokens[this.at + 1] ?? this.token
  }

  is(type: string): boolean {
    return this.token.type === type
  }

  isName(...names: string[]): boolean {
    return this.is('name') && names.includes(this.token.value as string)
  }

  skip(type: string): boolean {
    return this.is(type) && this.next() !== undefined
  }

  /** Passes a name over, if it is next. */
  word(name: string): boolean {
    return this.isName(name) && this.next() !== undefined
  }

  expect(type: string): Token {
    if (!this.is(type)) this.fail(`expected '${type}', got ${described(this.token)}`)
    return this.next()
  }

  name(): string {
    return this.expect('name').value as string
  }

  expression(choices = true): Expression {
    this.nest(++this.depth)
    const result = choices ? this.choice() : this.or()
    this.depth--
    return result
  }

  private choice(): Expression {
    let node = this.or()
    for (let { line } = this.token; this.word('if'); line = this.token.line) {
      const test = this.or()
      node = { kind: 'choice', test, yes: node, no: this.word('else') ? this.expression() : undefined, line }
    }
    return node
  }

  private or(): Expression {
    return this.logical('or', () => this.logical('and', () => this.not()))
  }

  private logical(kind: 'or' | 'and', operand: () => Expression): Expression {
    let left = operand()
    for (let { line } = this.token; this.word(kind); line = this.token.line)
      left = { kind, left, right: operand(), line }
    return left
  }

  private not(): Expression {
    const { line } = this.token
    let times = 0
    while (this.word('not')) times++
    let node = this.compare()
    for (; times > 0; times--) node = { kind: 'unary', op: 'not', node, line }
    return node
  }

  private compare(): Expression {
    const { line } = this.token
    const first = this.sum()
    const rest: Extract<Expression, { kind: 'compare' }>['rest'] = []
    for (let op = this.comparison(); op; op = this.comparison()) rest.push({ kind: 'operand', op, value: this.sum() })
    return rest.length > 0 ? { kind: 'compare', first, rest, line } : first
  }

  private comparison(): string | undefined {
    if (COMPARISONS.includes(this.token.type)) return this.next().type
    const after = this.ahead()
    const negated = this.isName('not') && after.type === 'name' && after.value === 'in'
    if (negated) this.next()
    return this.word('in') ? (negated ? 'not in' : 'in') : undefined
  }

  private binary(ops: readonly string[], operand: () => Expression): Expression {
    let left = operand()
    while (ops.includes(this.token.type)) {
      const { type, line } = this.next()
      left = { kind: 'binary', op: type, left, right: operand(), line }
    }
    return left
  }

  private sum(): Expression {
    return this.binary(['+', '-'], () => this.concat())
  }

  private concat(): Expression {
    const { line } = this.token
    const items: Expression[] = []
    do items.push(this.binary(['*', '/', '//', '%'], () => this.binary(['**'], () => this.unary())))
    while (this.skip('~'))
    return items.length > 1 ? { kind: 'concat', items, line } : items[0]!
  }

  private unary(filters = true): Expression {
    const { line } = this.token
    let node: Expression
    if (this.is('-') || this.is('+')) {
      this.nest(++this.depth)
      const op = this.next().type
      node = { kind: 'unary', op, node: this.unary(false), line }
      this.depth--
    } else node = this.primary()
    node = this.postfix(node)
    return filters ? this.filtered(node) : node
  }

  primary(): Expression {
    const token = this.next()
    const { line, type, value } = token
    if (type === 'name') {
      const name = value as string
      if (Object.hasOwn(CONSTANTS, name)) return { kind: 'const', value: CONSTANTS[name]!, line }
      return { kind: 'name', name, use: 'load', line }
    }
    if (type === 'number') return { kind: 'const', value, line }
    if (type === 'string') {
      let text = value as string
      while (this.is('string')) text += this.next().value
      return { kind: 'const', value: text, line }
    }
    if (type === '(') {
      const node = this.tuple({ parenthesized: true })
      this.expect(')')
      return node
    }
    if (type === '[') return { kind: 'list', items: this.listed(']', () => this.expression()), line }
    if (type === '{') return { kind: 'dict', items: this.listed('}', () => this.pair()), line }
    return this.fail(`unexpected ${described(token)}`, line)
  }

  private pair(): [Expression, Expression] {
    const key = this.expression()
    this.expect(':')
    return [key, this.expression()]
  }

  /** Items with commas between, and perhaps after the last, up to a bracket. */
  private listed<T>(end: string, item: () => T): T[] {
    const items: T[] = []
    while (!this.is(end)) {
      if (items.length > 0) this.expect(',')
      if (this.is(end)) break
      items.push(item())
    }
    this.next()
    return items
  }

  /** An expression, or several with commas between: a tuple. `until`: a name that ends it. */
  tuple({ choices = true, parenthesized = false, until = '' } = {}): Expression {
    return this.several((): Expression => this.expression(choices), parenthesized, until)
  }

  private several<T extends Expression | Target>(one: () => T, parenthesized: boolean, until: string): T {
    const { line } = this.token
    const items: T[] = []
    let isTuple = false
    while (!this.is('}}') && !this.is('%}') && !this.is(')') && !(until && this.isName(until))) {
      items.push(one())
      if (!this.skip(',')) break
      isTuple = true
    }
    if (!isTuple && items.length > 0) return items[0]!
    if (!isTuple && !parenthesized) this.fail(`expected an expression, got ${described(this.token)}`)
    return { kind: 'tuple', items, line } as unknown as T
  }

  /** What is assigned to: names, tuples of them, and with `members` attributes of namespaces. */
  target({ members = false, until = '', use = 'store' as 'store' | 'param' } = {}): Target {
    return this.several(() => this.oneTarget(members, use), false, until)
  }

  private oneTarget(members: boolean, use: 'store' | 'param'): Target {
    const { line } = this.token
    if (this.skip('(')) {
      const target = this.several(() => this.oneTarget(members, use), true, '')
      this.expect(')')
      return target
    }
    if (!this.is('name')) this.fail(`cannot assign to ${described(this.token)}`)
    const name = this.name()
    if (Object.hasOwn(CONSTANTS, name)) this.fail(`cannot assign to '${name}'`, line)
    if (members && this.skip('.')) return { kind: 'member', name, attribute: this.name(), line }
    return { kind: 'name', name, use, line }
  }

  private postfix(start: Expression): Expression {
    let node = start
    for (;;) {
      if (this.is('.') || this.is('[')) node = this.subscript(node)
      else if (this.is('(')) node = this.call(node)
      else return node
    }
  }

  private filtered(start: Expression): Expression {
    let node = start
    for (;;) {
      if (this.skip('|')) node = this.filter(node)
      else if (this.isName('is')) node = this.test(node)
      else if (this.is('(')) node = this.call(node)
      else return node
    }
  }

  private subscript(node: Expression): Expression {
    const { type, line } = this.next()
    if (type === '.') {
      const token = this.next()
      if (token.type === 'name') return { kind: 'attribute', node, name: token.value as string, line }
      if (typeof token.value !== 'number') this.fail('expected a name or number', token.line)
      return { kind: 'item', node, key: { kind: 'const', value: token.value, line }, line }
    }
    const keys: (Expression | (Expression | undefined)[])[] = []
    while (!this.is(']')) {
      if (keys.length > 0) this.expect(',')
      keys.push(this.key())
    }
    this.next()
    const [first] = keys
    if (keys.length === 1 && Array.isArray(first)) return { kind: 'slice', node, bounds: first, line }
    if (keys.some(Array.isArray)) this.fail('a slice stands alone in its brackets', line)
    const items = keys as Expression[]
    return { kind: 'item', node, key: items.length === 1 ? items[0]! : { kind: 'tuple', items, line }, line }
  }

  /** What stands in brackets: an expression, or the bounds of a slice. */
  private key(): Expression | (Expression | undefined)[] {
    const ends = () => this.is(':') || this.is(']') || this.is(',')
    const bound = () => (ends() ? undefined : this.expression())
    const start = this.is(':') ? undefined : this.expression()
    if (!this.skip(':')) return start!
    const stop = bound()
    return [start, stop, this.skip(':') ? bound() : undefined]
  }

  call(node: Expression): CallNode {
    const { line } = this.token
    return { kind: 'call', node, line, ...this.arguments() }
  }

  private arguments(): Arguments {
    const { line } = this.expect('(')
    const found = noArguments()
    const ensure = (fits: boolean) => fits || this.fail('invalid arguments of a call', line)
    this.listed(')', () => {
      if (this.skip('*')) {
        ensure(!found.spread && !found.spreadNames)
        found.spread = this.expression()
      } else if (this.skip('**')) {
        ensure(!found.spreadNames)
        found.spreadNames = this.expression()
      } else if (this.is('name') && this.ahead().type === '=') {
        ensure(!found.spreadNames)
        const name = this.name()
        ensure(found.kwargs.every((other) => other.name !== name))
        this.next()
        found.kwargs.push({ kind: 'keyword', name, value: this.expression() })
      } else {
        ensure(!found.spread && !found.spreadNames && found.kwargs.length === 0)
        found.args.push(this.expression())
      }
    })
    return found
  }

  private dotted(): string {
    let name = this.name()
    while (this.skip('.')) name += `.${this.name()}`
    return name
  }

  /** A filter and those after it; the first `|` is passed. */
  filter(node: Expression | undefined): FilterCall {
    const { line } = this.token
    const name = this.dotted()
    return { kind: 'filter', node, name, line, ...(this.is('(') ? this.arguments() : noArguments()) }
  }

  private test(node: Expression): Expression {
    const { line } = this.next()
    const negated = this.word('not')
    const name = this.dotted()
    let found = noArguments()
    if (this.is('(')) found = this.arguments()
    else if (this.beginsArgument()) {
      if (this.isName('is')) this.fail('tests with is cannot be chained')
      found.args.push(this.postfix(this.primary()))
    }
    const test: Expression = { kind: 'test', node, name, line, ...found }
    return negated ? { kind: 'unary', op: 'not', node: test, line } : test
  }

  private beginsArgument(): boolean {
    if (this.is('name')) return !this.isName(...AFTER_TEST)
    return this.is('string') || this.is('number') || this.is('[') || this.is('{')
  }
}
