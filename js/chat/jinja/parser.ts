/** Parses statements, by Jinja's grammar with `break`, `continue` and transformers' `generation`. */
import type { Expression, FilterCall, If, Name, Signature, Statement } from './ast.ts'
import { ExpressionParser } from './expressions.ts'
import { tokenize } from './lexer.ts'

class Parser extends ExpressionParser {
  /** Tags that are open, with what may come next of each. */
  private readonly open: { tag: string; ends: readonly string[] }[] = []

  /** A whole template. */
  template(): Statement[] {
    return this.statements([])
  }

  /** Text, prints and statements up to one of the tags `ends`, which is passed, or to the end of the template. */
  private statements(ends: readonly string[]): Statement[] {
    const body: Statement[] = []
    const output = (item: string | Expression, line: number): void => {
      const last = body.at(-1)
      if (last?.kind === 'output') last.items.push(item)
      else body.push({ kind: 'output', items: [item], line })
    }
    for (;;) {
      const { type, value, line } = this.next()
      if (type === 'text') output(value as string, line)
      else if (type === '{{') {
        output(this.tuple(), line)
        this.expect('}}')
      } else if (type === '{%') {
        if (this.isName(...ends)) return body
        body.push(this.statement())
        this.expect('%}')
      } else if (ends.length === 0) return body
      else this.fail(`the template ends, but ${this.wanted()}`)
    }
  }

  private wanted(): string {
    const { tag, ends } = this.open.at(-1)!
    return `${tag} wants ${ends.map((end) => `'${end}'`).join(' or ')}`
  }

  /** The body of a tag up to one of `ends`, which becomes the current token. */
  private body(tag: string, ...ends: string[]): Statement[] {
    this.skip(':')
    this.expect('%}')
    this.nest(this.open.length)
    this.open.push({ tag, ends })
    const body = this.statements(ends)
    this.open.pop()
    return body
  }

  /** The body of a tag, whose end is passed. */
  private whole(tag: string): Statement[] {
    const body = this.body(tag, `end${tag}`)
    this.next()
    return body
  }

  private statement(): Statement {
    const { line } = this.token
    const tag = this.name()
    switch (tag) {
      case 'for':
        return this.for(line)
      case 'if':
        return this.if(line)
      case 'set':
        return this.set(line)
      case 'print':
        return { kind: 'output', items: this.printed(), line }
      case 'macro': {
        const name = this.name()
        return { kind: 'macro', name, line, ...this.signature('macro') }
      }
      case 'call': {
        const params = this.is('(') ? this.params() : { params: [], defaults: [] }
        const call = this.expression()
        if (call.kind !== 'call') this.fail('expected a call', line)
        return { kind: 'callBlock', call, line, ...params, body: this.whole('call') }
      }
      case 'filter': {
        const filter = this.filters(this.filter(undefined))
        return { kind: 'filterBlock', body: this.whole('filter'), filter, line }
      }
      case 'with':
        return this.with(line)
      case 'block':
        return this.block(line)
      case 'autoescape': {
        const value = this.expression()
        return { kind: 'autoescape', value, body: this.whole('autoescape'), line }
      }
      case 'generation':
        return { kind: 'generation', body: this.whole('generation'), line }
      case 'break':
      case 'continue':
        return { kind: tag, line }
      case 'include':
      case 'import':
      case 'from':
      case 'extends':
        while (!this.is('%}') && !this.is('end')) this.next()
        return { kind: 'refused', tag, line }
      default:
        return this.fail(`unknown tag '${tag}'${this.open.length > 0 ? `: ${this.wanted()}` : ''}`, line)
    }
  }

  private for(line: number): Statement {
    const target = this.target({ until: 'in' })
    if (!this.word('in')) this.fail("expected 'in'")
    const over = this.tuple({ choices: false, until: 'recursive' })
    const test = this.word('if') ? this.expression() : undefined
    const recursive = this.word('recursive')
    const body = this.body('for', 'endfor', 'else')
    const otherwise = this.next().value === 'else' ? this.whole('for') : []
    return { kind: 'for', target, over, body, otherwise, test, recursive, line }
  }

  private if(line: number): If {
    const branch = (at: number): If => {
      const test = this.tuple({ choices: false })
      const body = this.body('if', 'elif', 'else', 'endif')
      return { kind: 'if', test, body, others: [], otherwise: [], line: at }
    }
    const node = branch(line)
    for (;;) {
      const end = this.next()
      if (end.value === 'elif') node.others.push(branch(end.line))
      else {
        if (end.value === 'else') node.otherwise = this.whole('if')
        return node
      }
    }
  }

  private set(line: number): Statement {
    const target = this.target({ members: true })
    if (this.skip('=')) return { kind: 'set', target, value: this.tuple(), line }
    const filter = this.skip('|') ? this.filters(this.filter(undefined)) : undefined
    return { kind: 'setBlock', target, filter, body: this.whole('set'), line }
  }

  private filters(first: FilterCall): FilterCall {
    let node = first
    while (this.skip('|')) node = this.filter(node)
    return node
  }

  private printed(): Expression[] {
    const items: Expression[] = []
    while (!this.is('%}')) {
      if (items.length > 0) this.expect(',')
      items.push(this.expression())
    }
    return items
  }

  private params(): { params: Name[]; defaults: Expression[] } {
    const params: Name[] = []
    const defaults: Expression[] = []
    this.expect('(')
    while (!this.is(')')) {
      if (params.length > 0) this.expect(',')
      const { line } = this.token
      params.push({ kind: 'name', name: this.name(), use: 'param', line })
      if (this.skip('=')) defaults.push(this.expression())
      else if (defaults.length > 0) this.fail('a parameter without a default follows one with a default', line)
    }
    this.next()
    return { params, defaults }
  }

  private signature(tag: string): Signature {
    return { ...this.params(), body: this.whole(tag) }
  }

  private with(line: number): Statement {
    const node: Statement = { kind: 'with', targets: [], values: [], body: [], line }
    while (!this.is('%}')) {
      if (node.targets.length > 0) this.expect(',')
      node.targets.push(this.target({ use: 'param' }))
      this.expect('=')
      node.values.push(this.expression())
    }
    node.body = this.whole('with')
    return node
  }

  private block(line: number): Statement {
    const name = this.name()
    const scoped = this.word('scoped')
    const required = this.word('required')
    const body = this.whole('block')
    this.word(name)
    return { kind: 'block', name, scoped, required, body, line }
  }
}

/** The statements of a template. Throws JinjaError. */
export function parse(source: string): Statement[] {
  return new Parser(tokenize(source)).template()
}
