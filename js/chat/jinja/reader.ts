/** The template that is read, token by token. Readings never overlap. */
import { type Token, tokenize } from './lexer.ts'
import { Names } from './scope.ts'
import { deep, fail, now } from './values.ts'

/** What is done with a name where it stands. */
export type Use = 'load' | 'store' | 'param'

export const reading = {
  tokens: [] as readonly Token[],
  at: 0,
  depth: 0,
  /** The scope whose names are read. */
  names: new Names(),
  /** All names in the order in which they stand; those in blocks are their own. */
  mentions: [] as { name: string; use: Use }[],
}

/** Begins to read a template; its outermost names. */
export function begin(source: string): Names {
  const names = new Names(undefined, false, true)
  Object.assign(reading, { tokens: tokenize(source), at: 0, depth: 0, names, mentions: [] })
  now.line = token().line
  return names
}

export const token = () => reading.tokens[reading.at]!

/** Passes a token over. */
export function next(): Token {
  const passed = token()
  if (passed.type !== 'end') reading.at++
  now.line = token().line
  return passed
}

const says = ({ type, value }: Token, words: readonly string[]) =>
  (type === 'mark' || type === 'name') && words.includes(value as string)

/** Whether a mark or word is next. */
export const is = (...words: string[]) => says(token(), words)

/** Whether a mark or word is next but one. */
export const isAhead = (word: string) => says(reading.tokens[reading.at + 1] ?? token(), [word])

/** Passes a mark or word over, if it is next. */
export const skip = (word: string) => is(word) && next() !== undefined

export function unexpected(expected: string): never {
  const { type, value } = token()
  const found = type === 'end' ? 'end of template' : `'${type === 'mark' || type === 'name' ? value : type}'`
  return fail(`expected ${expected}, got ${found}`)
}

export function expect(mark: string): void {
  if (!skip(mark)) unexpected(`'${mark}'`)
}

export const readName = () => (token().type === 'name' ? (next().value as string) : unexpected("'name'"))

/** Refuses what is nested too deeply. */
export function nested<T>(read: () => T): T {
  deep(++reading.depth)
  const result = read()
  reading.depth--
  return result
}

/** Reads with the names of another scope. */
export function within<T>(names: Names, read: () => T): T {
  const outer = reading.names
  reading.names = names
  const result = read()
  reading.names = outer
  if (names.unknown) throw names.unknown
  return result
}

export function mention(name: string, use: Use): void {
  if (use === 'load') reading.names.load(name)
  else reading.names.store(name)
  reading.mentions.push({ name, use })
}
