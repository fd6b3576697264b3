/** The template that is read, token by token. Readings never overlap. */
import { type Token, tokenize } from './lexer.ts'
import { Names, type Use } from './scope.ts'
import { deep, fail, now } from './values.ts'

let tokens: readonly Token[] = []
let at = 0
let depth = 0
/** The names of the scope that is read. */
export let current = new Names()
/** All names in the order in which they stand; those in blocks are their own. */
export let mentions: { name: string; use: Use }[] = []

/** Begins to read a template; its outermost names. */
export function begin(source: string): Names {
  current = new Names(undefined, false, true)
  tokens = tokenize(source)
  at = 0
  depth = 0
  mentions = []
  now.line = token().line
  return current
}

export const token = () => tokens[at]!

/** Passes a token over. */
export function next(): Token {
  const passed = token()
  if (passed.type !== 'end') at++
  now.line = token().line
  return passed
}

const says = ({ type, value }: Token, words: readonly string[]) =>
  (type === 'mark' || type === 'name') && words.includes(value as string)

/** Whether a mark or word is next. */
export const is = (...words: string[]) => says(token(), words)

/** Whether a mark or word is next but one. */
export const isAhead = (word: string) => says(tokens[at + 1] ?? token(), [word])

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

/** Items with commas between, and with `trailing` perhaps after the last, up to a mark that becomes the current token. */
export function readCommas<T>(end: string, item: () => T, trailing = false): T[] {
  const items: T[] = []
  while (!is(end)) {
    if (items.length > 0) expect(',')
    if (trailing && is(end)) break
    items.push(item())
  }
  return items
}

/** Items in brackets of which the first is passed. */
export function readListed<T>(end: string, item: () => T, trailing = true): T[] {
  const items = readCommas(end, item, trailing)
  next()
  return items
}

export const readName = () => (token().type === 'name' ? (next().value as string) : unexpected("'name'"))

/** Refuses what is nested too deeply. */
export function nested<T>(read: () => T): T {
  deep(++depth)
  const result = read()
  depth--
  return result
}

/** Reads with the names of another scope. */
export function within<T>(names: Names, read: () => T): T {
  const outer = current
  current = names
  const result = read()
  current = outer
  if (names.unknown) throw names.unknown
  return result
}

export function mention(name: string, use: Use): void {
  current.mention(name, use)
  mentions.push({ name, use })
}
