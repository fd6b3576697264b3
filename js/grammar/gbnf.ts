/** Reads GBNF, the grammars of llama.cpp. Source: its grammars/README.md and src/llama-grammar.cpp. */

import { GrammarError } from '../errors.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Expressions, GrammarExpression, GrammarRule } from './expressions.ts'
import { foldRegular } from './fold.ts'
import { bytesOf, type CodeRange, characters, complement } from './utf8.ts'

/** As llama.cpp has it: repetitions of one item, and of all that is repeated together. */
const MAX_REPETITIONS = 2000
const ROOT = 'root'
const ANY: CodeRange = [0, 0x10ffff]
const WORD = /[A-Za-z0-9-]+/y
const INTEGER = /[0-9]+/y
const BLANK = /(?:[ \t]|#[^\r\n]*)*/y
const BLANK_LINES = /(?:[ \t\r\n]|#[^\r\n]*)*/y
const TOKEN = /<(?:\[([0-9]+)\]|[^>]*)>/y
const HEX_LENGTH: Record<string, number> = { x: 2, u: 4, U: 8 }
const ESCAPES: Record<string, string> = {
  t: '\t',
  r: '\r',
  n: '\n',
  '\\': '\\',
  '"': '"',
  '[': '[',
  ']': ']',
  '-': '-',
}

/**
 * @returns the rule `root`
 * @throws GrammarError that names the line, for what is no GBNF, a rule that is missing or begins with itself
 */
export function parseGbnf(text: string, expressions: Expressions, tokenizer: Tokenizer): GrammarExpression {
  return new GbnfParser(text, expressions, tokenizer).parse()
}

/** The item that a repetition repeats. */
interface GbnfItem {
  readonly expression: GrammarExpression
  /** How many rules llama.cpp would make of it. */
  readonly size: number
  /** It is a repetition without end itself, or may be left out. */
  readonly open: boolean
}

class GbnfParser {
  private at = 0
  private readonly rules = new Map<string, GrammarRule>()
  private readonly defined = new Set<GrammarRule>()
  /** Where each rule is first referred to. */
  private readonly references = new Map<GrammarRule, number>()
  /** Rules that llama.cpp would have by now: those with names, and one a group and an optional item. */
  private size = 0

  constructor(
    private readonly text: string,
    private readonly expressions: Expressions,
    private readonly tokenizer: Tokenizer,
  ) {}

  parse(): GrammarExpression {
    this.skip(BLANK_LINES)
    while (this.at < this.text.length) this.parseRule()
    for (const [rule, at] of this.references) {
      if (!this.defined.has(rule)) throw this.error(`there is no rule ${rule.name}`, at)
    }
    const root = this.rules.get(ROOT)
    if (!root) throw this.error('there is no rule root, where the grammar begins')
    const circular = this.expressions.settle()
    if (circular) throw this.error(`the rule ${circular.name} begins with itself; write it with * or + instead`)
    return foldRegular(this.expressions, [...this.rules.values()], root)
  }

  private parseRule(): void {
    const name = this.match(WORD)?.[0]
    if (name === undefined) throw this.error('the name of a rule is expected')
    this.skip(BLANK)
    if (!this.take('::=')) throw this.error(`::= is expected after ${name}`)
    this.skip(BLANK_LINES)
    const rule = this.ruleOf(name)
    rule.body = this.parseChoice(false)
    this.defined.add(rule)
    if (!this.take('\r\n') && !this.take('\n') && !this.take('\r') && this.at < this.text.length) {
      throw this.error('the end of the line is expected')
    }
    this.skip(BLANK_LINES)
  }

  private ruleOf(name: string): GrammarRule {
    let rule = this.rules.get(name)
    if (!rule) {
      rule = this.expressions.rule(name)
      this.rules.set(name, rule)
      this.size++
    }
    return rule
  }

  private parseChoice(nested: boolean): GrammarExpression {
    const options = [this.parseSequence(nested)]
    while (this.take('|')) {
      this.skip(BLANK_LINES)
      options.push(this.parseSequence(nested))
    }
    return this.expressions.choice(options)
  }

  private parseSequence(nested: boolean): GrammarExpression {
    const items: GrammarExpression[] = []
    const blank = nested ? BLANK_LINES : BLANK
    let last: GbnfItem | undefined
    for (;;) {
      const start = this.at
      const range = this.parseRepetition(nested)
      if (range) {
        if (!last) throw this.error('*, +, ? and {} stand after the item that they repeat', start)
        last = this.repeated(last, ...range, start)
        items[items.length - 1] = last.expression
      } else {
        last = this.parseItem()
        if (!last) return this.expressions.sequence(items)
        items.push(last.expression)
      }
      this.skip(blank)
    }
  }

  private repeated(item: GbnfItem, min: number, max: number, start: number): GbnfItem {
    const endless = max > MAX_REPETITIONS
    if (max === Number.POSITIVE_INFINITY && item.open)
      throw this.error('what may be left out cannot be repeated without end', start)
    const times = !endless && max > 0 ? max : Math.max(min, 1)
    const size = item.size * times
    if (size > MAX_REPETITIONS) {
      throw this.error(
        `repetitions make more than ${MAX_REPETITIONS} items of this; repeat it less, or without end`,
        start,
      )
    }
    this.size += endless ? 1 : max - min
    return { expression: this.expressions.repeat(item.expression, min, max), size, open: min === 0 }
  }

  /** The least and the most times that the item before is repeated. */
  private parseRepetition(nested: boolean): [number, number] | undefined {
    if (this.take('*')) return [0, Number.POSITIVE_INFINITY]
    if (this.take('+')) return [1, Number.POSITIVE_INFINITY]
    if (this.take('?')) return [0, 1]
    const start = this.at
    if (!this.take('{')) return undefined
    const blank = nested ? BLANK_LINES : BLANK
    this.skip(blank)
    const min = this.parseInteger()
    if (min === undefined) throw this.error('a number is expected after {')
    this.skip(blank)
    let max = min
    if (this.take(',')) {
      this.skip(blank)
      max = this.parseInteger() ?? Number.POSITIVE_INFINITY
      this.skip(blank)
    }
    if (!this.take('}')) throw this.error('} is expected')
    if (max < min) throw this.error(`{${min},${max}} ends before it begins`, start)
    if (min > MAX_REPETITIONS) throw this.error(`more than ${MAX_REPETITIONS} repetitions`, start)
    return [min, max]
  }

  private parseInteger(): number | undefined {
    const digits = this.match(INTEGER)?.[0]
    return digits === undefined ? undefined : Number(digits)
  }

  private parseItem(): GbnfItem | undefined {
    const { expressions } = this
    const { terms } = expressions
    const single = (expression: GrammarExpression): GbnfItem => ({ expression, size: 1, open: false })
    if (this.take('"')) return single(expressions.term(terms.literal(this.parseLiteral())))
    if (this.take('[')) {
      const negated = this.take('^')
      const ranges = this.parseClass()
      return single(expressions.term(characters(terms, negated ? complement(ranges) : ranges)))
    }
    if (this.take('.')) return single(expressions.term(characters(terms, [ANY])))
    if (this.take('(')) {
      const before = this.size++
      this.skip(BLANK_LINES)
      const expression = this.parseChoice(true)
      if (!this.take(')')) throw this.error(') is expected')
      return { expression, size: Math.max(1, this.size - before), open: false }
    }
    const start = this.at
    if (this.text[start] === '<' || this.text[start] === '!') return single(this.parseToken())
    const name = this.match(WORD)?.[0]
    if (name === undefined) return undefined
    const rule = this.ruleOf(name)
    if (!this.references.has(rule)) this.references.set(rule, start)
    return single(expressions.reference(rule))
  }

  private parseLiteral(): number[] {
    const bytes: number[] = []
    while (!this.take('"')) bytes.push(...bytesOf(this.parseCharacter()))
    return bytes
  }

  private parseClass(): CodeRange[] {
    const ranges: CodeRange[] = []
    while (!this.take(']')) {
      const low = this.parseCharacter()
      let high = low
      if (this.text[this.at] === '-' && this.text[this.at + 1] !== ']') {
        this.at++
        high = this.parseCharacter()
      }
      ranges.push([low, high])
    }
    return ranges
  }

  private parseCharacter(): number {
    const code = this.text.codePointAt(this.at)
    if (code === undefined) throw this.error('the grammar ends within quotes or brackets')
    const start = this.at
    this.at += code > 0xffff ? 2 : 1
    if (code !== 0x5c) return code
    const name = this.text[this.at++] ?? ''
    const escaped = ESCAPES[name]
    if (escaped !== undefined) return escaped.charCodeAt(0)
    const length = HEX_LENGTH[name]
    if (length === undefined) throw this.error(`there is no escape \\${name}`, start)
    const digits = this.text.slice(this.at, this.at + length)
    if (!/^[0-9A-Fa-f]+$/.test(digits) || digits.length < length) {
      throw this.error(`\\${name} wants ${length} hexadecimal digits`, start)
    }
    this.at += length
    return Number.parseInt(digits, 16)
  }

  private parseToken(): GrammarExpression {
    const start = this.at
    const negated = this.take('!')
    const match = this.match(TOKEN)
    if (!match) throw this.error('<token> or <[id]> is expected', start)
    const [text, digits] = match
    const ids = digits === undefined ? this.tokenizer.tokenize(text, { bos: false }) : [Number(digits)]
    const [id] = ids
    if (id === undefined || ids.length > 1 || id >= this.tokenizer.vocabularySize) {
      throw this.error(`${text} is no token of this vocabulary`, start)
    }
    return this.expressions.token(id, negated)
  }

  private take(text: string): boolean {
    if (!this.text.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.text)
    if (match) this.at = pattern.lastIndex
    return match
  }

  private skip(pattern: RegExp): void {
    this.match(pattern)
  }

  private error(what: string, at = this.at): GrammarError {
    const line = this.text.slice(0, at).split('\n').length
    const rest = this.text.slice(at, at + 30).split('\n')[0]
    const place = rest ? `, at ${rest}` : ''
    return new GrammarError('GRAMMAR_SYNTAX', `Line ${line} of the grammar: ${what}${place}.`, line)
  }
}
