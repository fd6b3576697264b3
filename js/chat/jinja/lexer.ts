/**
 * Cuts a template into tokens, by Jinja's rules with trim_blocks and lstrip_blocks: the line break after a block goes, and
 * so do blanks before one that stands first in its line. `-` beside a mark takes all white space, `+` keeps it.
 */
import { classOf, LETTER, MARK, NUMBER } from '../../util/unicode.ts'
import { parseInteger } from './numbers.ts'
import { Float, JinjaError, type Value } from './values.ts'

export interface Token {
  /** `text`, `name`, `string`, `number`, `end`, or what it is itself: a mark or an operator. */
  type: string
  /** The text of a name or string; the value of a number. */
  value: Value
  line: number
}

const BEGIN = /\{(?:\{|%|#)[-+]?/g
const RAW = /\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})/y
const END_RAW = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g
const END_COMMENT = /(?:\+#\}|-#\}\s*|#\}\n?)/g
const ENDS = { '{{': /-\}\}\s*|\}\}/y, '{%': /\+%\}|-%\}\s*|%\}\n?/y } as const
const SPACES = /\s+/y
const FLOAT = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const STRING = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y
const OPERATOR = /\/\/|\*\*|[=!<>]=|[-+/*%~[\](){}<>=.:|,;]/y
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

class Lexer {
  private readonly tokens: Token[] = []
  private at = 0
  private line = 1
  /** Whether what was read last ended in a line break. */
  private lineStarts = true
  /** Brackets to be closed. */
  private open: string[] = []

  constructor(private readonly source: string) {}

  run(): Token[] {
    while (this.at < this.source.length) this.text()
    this.push('end', '')
    return this.tokens
  }

  private fail(message: string): never {
    throw new JinjaError(message, this.line)
  }

  private push(type: string, value: Value): void {
    this.tokens.push({ type, value, line: this.line })
  }

  /** What a sticky expression matches here, passed over. */
  private match(expression: RegExp): string | undefined {
    expression.lastIndex = this.at
    const found = expression.exec(this.source)?.[0]
    if (found !== undefined) this.pass(found)
    return found
  }

  private pass(text: string): void {
    this.at += text.length
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) this.line++
    this.lineStarts = text.endsWith('\n')
  }

  /** Text up to a mark at `end`, with the white space before the mark as the mark has it. */
  private data(end: number, sign: string, strips: boolean): void {
    const whole = this.source.slice(this.at, end)
    let text = whole
    if (sign === '-') text = whole.trimEnd()
    else if (sign !== '+' && strips) {
      const start = whole.lastIndexOf('\n') + 1
      if ((start > 0 || this.lineStarts) && whole.slice(start).trim() === '') text = whole.slice(0, start)
    }
    if (text !== '') this.push('text', text)
    this.pass(whole)
  }

  private text(): void {
    BEGIN.lastIndex = this.at
    const begin = BEGIN.exec(this.source)
    const mark = begin?.[0] ?? ''
    this.data(begin?.index ?? this.source.length, mark[2] ?? '', mark[1] !== '{' && begin !== null)
    if (begin === null) return
    if (this.match(RAW) !== undefined) this.raw()
    else {
      this.pass(mark)
      if (mark[1] === '#') this.comment()
      else this.code(mark[1] === '{' ? '{{' : '{%')
    }
  }

  private comment(): void {
    END_COMMENT.lastIndex = this.at
    if (!END_COMMENT.test(this.source)) this.fail('a comment has no end')
    this.pass(this.source.slice(this.at, END_COMMENT.lastIndex))
  }

  private raw(): void {
    END_RAW.lastIndex = this.at
    const end = END_RAW.exec(this.source) ?? this.fail('raw has no endraw')
    this.data(end.index, end[1]!, true)
    this.pass(end[0])
  }

  private code(begin: '{{' | '{%'): void {
    this.push(begin, '')
    while (this.at < this.source.length) {
      if (this.open.length === 0) {
        const line = this.line
        if (this.match(ENDS[begin]) !== undefined) {
          this.tokens.push({ type: begin === '{{' ? '}}' : '%}', value: '', line })
          return
        }
      }
      if (this.match(SPACES) === undefined) this.token()
    }
    if (this.open.length > 0) this.fail(`'${this.open.at(-1)}' is missing`)
    this.fail(`unexpected end of template, expected '${begin === '{{' ? '}}' : '%}'}'`)
  }

  private token(): void {
    const { line } = this
    const add = (type: string, value: Value) => this.tokens.push({ type, value, line })
    const number = this.source[this.at - 1] === '.' ? undefined : this.match(FLOAT)
    if (number !== undefined) return void add('number', new Float(Number(number.replaceAll('_', ''))))
    const whole = this.match(INTEGER)
    if (whole !== undefined) return void add('number', parseInteger(whole, 0) ?? this.fail(`bad number ${whole}`))
    const name = this.name()
    if (name !== '') return void add('name', name)
    const string = this.match(STRING)
    if (string !== undefined) return void add('string', this.unescaped(string.slice(1, -1)))
    const operator = this.match(OPERATOR)
    if (operator === undefined) this.fail(`unexpected character ${JSON.stringify(this.source[this.at])}`)
    if (CLOSING[operator]) this.open.push(CLOSING[operator])
    else if (')]}'.includes(operator)) {
      const expected = this.open.pop()
      if (expected !== operator) this.fail(`unexpected '${operator}'${expected ? `, expected '${expected}'` : ''}`)
    }
    add(operator, '')
  }

  private name(): string {
    let end = this.at
    while (end < this.source.length) {
      const code = this.source.codePointAt(end)!
      const fits = code < 0x80 ? /\w/.test(this.source[end]!) : (classOf(code) & (LETTER | NUMBER | MARK)) !== 0
      if (!fits) break
      end += code > 0xffff ? 2 : 1
    }
    const name = this.source.slice(this.at, end)
    this.at = end
    return name
  }

  private unescaped(text: string): string {
    return text.replace(ESCAPE, (whole: string, char: string) => {
      if (char === 'N') this.fail('\\N and a name in a text are not supported')
      const hex = /^[xuU]/.test(char)
      if (hex && char.length !== HEX_DIGITS[char[0]!]! + 1) this.fail(`truncated \\${char[0]} escape in a text`)
      if (hex || /^[0-7]/.test(char)) {
        const code = hex ? Number.parseInt(char.slice(1), 16) : Number.parseInt(char, 8)
        return code > 0x10ffff ? this.fail('illegal Unicode character in a text') : String.fromCodePoint(code)
      }
      return ESCAPES[char] ?? whole
    })
  }
}

const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }
const ESCAPE = /\\(x[\da-fA-F]{0,2}|u[\da-fA-F]{0,4}|U[\da-fA-F]{0,8}|[0-7]{1,3}|[\s\S])/g
const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** The tokens of a template; one line break at its end is none of it. Throws JinjaError. */
export function tokenize(source: string): Token[] {
  return new Lexer(source.replace(/\r\n?/g, '\n').replace(/\n$/, '')).run()
}
