/**
 * Cuts a template into tokens, by Jinja's rules with trim_blocks and lstrip_blocks: the line break after a block goes, and
 * so do blanks before one that stands first in its line. `-` beside a mark takes all white space, `+` keeps it.
 */
import { classOf, LETTER, MARK, NUMBER } from '../../util/unicode.ts'
import { DIGITS, parseInteger } from './numbers.ts'
import { Float, fail, now, type Value } from './values.ts'

export interface Token {
  type: 'text' | 'mark' | 'name' | 'string' | 'number' | 'end'
  /** What it says: the text of a mark, name or string, the value of a number. */
  value: Value
  line: number
}

const BEGIN = /\{[{%#][-+]?/g
const RAW = /\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})/y
const END_RAW = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g
const END_COMMENT = /\+#\}|-#\}\s*|#\}\n?/g
const END_PRINT = /-\}\}\s*|\}\}/y
const END_BLOCK = /\+%\}|-%\}\s*|%\}\n?/y
/** Groups: white space, a float, an int, a name, a string, a mark. */
const TOKEN = new RegExp(
  [
    '(\\s+)',
    `((?<!\\.)${DIGITS}(?:(?:\\.${DIGITS})?e[+-]?${DIGITS}|\\.${DIGITS}))`,
    `(0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\\da-f])+|${DIGITS})`,
    '([\\w\\x80-\\u{10ffff}]+)',
    '(\'[^\'\\\\]*(?:\\\\[^][^\'\\\\]*)*\'|"[^"\\\\]*(?:\\\\[^][^"\\\\]*)*")',
    '(//|\\*\\*|[=!<>]=|[-+/*%~[\\](){}<>=.:|,;])',
  ].join('|'),
  'iuy',
)
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

const ESCAPE = /\\(x[\da-fA-F]{0,2}|u[\da-fA-F]{0,4}|U[\da-fA-F]{0,8}|[0-7]{1,3}|[\s\S])/g
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }
/** Of the characters from 7 on. */
const CONTROLS = 'abtnvfr'

/** The template that is cut, and where: what comes next begins a line, if the last did end one. */
let source = ''
let at = 0
let lineStarts = true
let tokens: Token[] = []

function push(type: Token['type'], value: Value): void {
  tokens.push({ type, value, line: now.line })
}

/** What an expression finds from here on: at this very place, if it is sticky. */
function find(expression: RegExp): RegExpExecArray | null {
  expression.lastIndex = at
  return expression.exec(source)
}

function pass(text: string): undefined {
  at += text.length
  now.line += text.split('\n').length - 1
  lineStarts = text.endsWith('\n')
}

/** Text up to a mark at `end`, with the white space before the mark as the mark has it. */
function data(end: number, sign: string | undefined, strips: boolean): undefined {
  const whole = source.slice(at, end)
  const start = whole.lastIndexOf('\n') + 1
  let text = whole
  if (sign === '-') text = whole.trimEnd()
  else if (sign !== '+' && strips && (start > 0 || lineStarts) && whole.slice(start).trim() === '')
    text = whole.slice(0, start)
  if (text !== '') push('text', text)
  pass(whole)
}

function text(): undefined {
  const begin = find(BEGIN)
  if (!begin) return data(source.length, undefined, false)
  const [[, kind, sign]] = begin
  data(begin.index, sign, kind !== '{')
  const raw = find(RAW)
  pass((raw ?? begin)[0])
  if (raw) {
    const end = find(END_RAW) ?? fail('raw has no endraw')
    data(end.index, end[1], true)
    pass(end[0])
  } else if (kind === '#') {
    const end = find(END_COMMENT) ?? fail('a comment has no end')
    pass(source.slice(at, end.index) + end[0])
  } else if (kind === '{') code('{{', '}}', END_PRINT)
  else code('{%', '%}', END_BLOCK)
}

function code(begin: string, end: string, ends: RegExp): undefined {
  /** Brackets to be closed. */
  const open: string[] = []
  push('mark', begin)
  while (at < source.length) {
    const last = open.length === 0 && find(ends)
    if (last) {
      push('mark', end)
      return pass(last[0])
    }
    const found = find(TOKEN) ?? fail(`unexpected character ${JSON.stringify(source[at])}`)
    const [whole, , float, int, name, string, mark] = found
    if (float) push('number', new Float(Number(float.replaceAll('_', ''))))
    else if (int) push('number', parseInteger(int, 0) ?? fail(`bad number ${int}`))
    else if (name) push('name', checked(name))
    else if (string) push('string', unescaped(string.slice(1, -1)))
    else if (mark) {
      if (CLOSING[mark]) open.push(CLOSING[mark])
      else if (')]}'.includes(mark)) {
        const expected = open.pop()
        if (expected !== mark) fail(`unexpected '${mark}'${expected ? `, expected '${expected}'` : ''}`)
      }
      push('mark', mark)
    }
    pass(whole)
  }
  fail(`expected '${open.at(-1) ?? end}', got end of template`)
}

/** A name, if all its characters may stand in one. */
function checked(name: string): string {
  for (const char of name) {
    if (!/\w/.test(char) && (classOf(char.codePointAt(0)!) & (LETTER | NUMBER | MARK)) === 0)
      fail(`unexpected character ${JSON.stringify(char)}`)
  }
  return name
}

function unescaped(text: string): string {
  return text.replace(ESCAPE, (whole: string, code: string) => {
    const [kind = ''] = code
    const digits = HEX_DIGITS[kind]
    if (kind === 'N' || (digits && code.length <= digits)) fail(`unsupported escape ${whole} in a text`)
    if (kind === '\n') return ''
    if (/[\\'"]/.test(kind)) return kind
    const control = CONTROLS.indexOf(kind)
    if (control < 0 && !digits && !/[0-7]/.test(kind)) return whole
    const point = control < 0 ? Number.parseInt(digits ? code.slice(1) : code, digits ? 16 : 8) : control + 7
    return point > 0x10ffff ? fail(`unsupported escape ${whole} in a text`) : String.fromCodePoint(point)
  })
}

/** The tokens of a template; one line break at its end is none of it. Throws JinjaError. */
export function tokenize(template: string): Token[] {
  source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '')
  at = 0
  lineStarts = true
  tokens = []
  now.line = 1
  while (at < source.length) text()
  push('end', '')
  return tokens
}
