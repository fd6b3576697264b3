/** Reads arguments as Python and Gemma write them, as JSON. */
import type { Scanner, ScanStep } from './scanner.ts'
import { escaped, jsonValue, PYTHON_WORDS } from './values.ts'

/** How members of an object are written. */
export interface Bracketing {
  /** Between a key and its value. */
  equals: string
  close: string
  /** Around texts, at any depth; empty where they are Python's or JSON's. */
  quote: string
}

/** Members of an object whose keys have no quotes, and the bracket behind them. */
export function* members(scanner: Scanner, add: (text: string) => void, style: Bracketing): ScanStep<void> {
  const { close, quote } = style
  for (;;) {
    // Commas are shown when what follows them is, or at once.
    const comma = (yield* scanner.peek()) === ',' ? ',' : ''
    scanner.at += comma.length
    if (quote) add(comma)
    yield* scanner.skipBlanks()
    if (!(yield* scanner.has())) return
    if (yield* scanner.take(close)) {
      add('}')
      return
    }
    const heard = (text: string, begins: boolean): void => add(begins ? `${quote ? '' : comma}"${text}` : text)
    if (!(yield* keyBefore(scanner, style, heard))) return
    add('":')
    yield* scriptValue(scanner, add, style)
  }
}

function* keyBefore(
  scanner: Scanner,
  { equals, quote }: Bracketing,
  heard: (text: string, begins: boolean) => void,
): ScanStep<boolean> {
  // Python's keys are shown when they are whole.
  let name = ''
  const mark = yield* scanner.until([equals], (text) => {
    const clean = escaped(text.replace(/^["']|["']$/g, ''))
    if (quote) heard(clean, name === '')
    name += clean
  })
  if (mark === undefined) return false
  if (!quote) heard(name.trim(), true)
  scanner.at += equals.length
  return true
}

/** A value as Python or Gemma writes it, as JSON. */
function* scriptValue(scanner: Scanner, add: (text: string) => void, style: Bracketing): ScanStep<void> {
  const { quote } = style
  const next = yield* scanner.peek()
  if (next === undefined) return
  if (quote && next === quote[0]) {
    add('"')
    yield* scanner.take(quote)
    const mark = yield* scanner.until([quote], (text) => add(escaped(text)))
    if (mark === undefined) return
    scanner.at += quote.length
    add('"')
  } else if (quote && next === '{') {
    scanner.at++
    add('{')
    yield* members(scanner, add, { ...style, close: '}' })
  } else if (quote && next === '[') {
    scanner.at++
    add('[')
    for (let first = true; ; first = false) {
      yield* scanner.skipBlanks(',')
      if (!(yield* scanner.has())) return
      if (yield* scanner.take(']')) break
      if (!first) add(',')
      yield* scriptValue(scanner, add, style)
    }
    add(']')
  } else if (next === "'") {
    yield* singleQuoted(scanner, add)
  } else if (/[{["\d-]/.test(next)) {
    yield* jsonValue(scanner, add, true)
  } else {
    let word = ''
    while ((yield* scanner.has()) && /\w/.test(scanner.text[scanner.at]!)) word += scanner.text[scanner.at++]
    if (word === '') scanner.at++
    add(PYTHON_WORDS[word] ?? (/^(true|false|null)$/.test(word) ? word : JSON.stringify(word)))
  }
}

/** A string of Python's in single quotes. */
function* singleQuoted(scanner: Scanner, add: (text: string) => void): ScanStep<void> {
  scanner.at++
  add('"')
  while (yield* scanner.has()) {
    const char = scanner.text[scanner.at++]!
    if (char === "'") {
      add('"')
      return
    }
    if (char !== '\\') add(escaped(char))
    else if (yield* scanner.has()) {
      const next = scanner.text[scanner.at++]!
      add(next === "'" ? "'" : `\\${next}`)
    }
  }
}
