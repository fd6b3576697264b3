/** Values in calls: JSON that arrives in pieces, and what a schema wants of an argument. */
import { isObject } from '../messages.ts'
import type { Scanner, ScanStep } from './scanner.ts'

/** Python's words for JSON's. */
export const PYTHON_WORDS: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null' }

/** A text as it stands in a string of JSON. */
export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** How an argument is written where it needs no quotes: as a text, as JSON, or as either. */
export type ArgumentKind = 'text' | 'json' | 'any'

/** By an argument's name. */
export function valuesOf(parameters: unknown): (name: string) => ArgumentKind {
  const root = isObject(parameters) ? parameters : {}
  const properties = isObject(root.properties) ? root.properties : {}
  return (name) => kindsOf(properties[name], root, 0)
}

function kindsOf(schema: unknown, root: Record<string, unknown>, depth: number): ArgumentKind {
  if (!isObject(schema) || depth > 16) return 'any'
  const { $ref: reference, type, const: fixed, enum: listed, anyOf, oneOf, allOf } = schema
  if (typeof reference === 'string') return kindsOf(resolve(root, reference), root, depth + 1)
  const types = typeof type === 'string' ? [type] : Array.isArray(type) ? type : undefined
  if (types) return types.includes('string') ? (types.length === 1 ? 'text' : 'any') : 'json'
  const values = Array.isArray(listed) ? listed : 'const' in schema ? [fixed] : undefined
  if (values) {
    const texts = values.filter((value) => typeof value === 'string').length
    return texts === values.length ? 'text' : texts > 0 ? 'any' : 'json'
  }
  const options = [anyOf, oneOf, allOf].find(Array.isArray)
  if (!options?.length) return 'any'
  const kinds = new Set(options.map((option) => kindsOf(option, root, depth + 1)))
  return kinds.size === 1 ? [...kinds][0]! : 'any'
}

/** What a reference within a schema leads to. */
export function resolve(root: Record<string, unknown>, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined
  let value: unknown = root
  for (const step of reference.slice(1).split('/').filter(Boolean)) {
    const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
    value = (value as Record<string, unknown> | undefined)?.[key]
  }
  return value
}

/**
 * Reads a value of JSON and passes its text on as it comes: brackets and quotes decide where it ends, all else is up to the model.
 * An escape is passed on when it is whole. `python`: True, False and None become JSON's.
 */
export function* jsonValue(scanner: Scanner, heard: (text: string) => void, python = false): ScanStep<void> {
  yield* scanner.skipBlanks()
  let depth = 0
  while (yield* scanner.has()) {
    const char = scanner.text[scanner.at]!
    if (char === '"') yield* jsonString(scanner, heard)
    else if (char === '{' || char === '[') {
      depth++
      heard(char)
      scanner.at++
    } else if (char === '}' || char === ']') {
      // Of what stands around it.
      if (depth === 0) return
      depth--
      heard(char)
      scanner.at++
    } else if (/[\w.+-]/.test(char)) yield* word(scanner, heard, python)
    else if (depth === 0) return
    else {
      heard(char)
      scanner.at++
    }
    if (depth === 0) return
  }
}

function* jsonString(scanner: Scanner, heard: (text: string) => void): ScanStep<void> {
  heard('"')
  scanner.at++
  for (;;) {
    const { text, at } = scanner
    let end = at
    while (end < text.length && text[end] !== '"' && text[end] !== '\\') end++
    if (end > at) heard(text.slice(at, end))
    scanner.at = end
    if (!(yield* scanner.has())) return
    if (scanner.text[scanner.at] === '"') {
      heard('"')
      scanner.at++
      return
    }
    if (scanner.text[scanner.at] === '\\') {
      const isLong = (yield* scanner.has(1)) && scanner.text[scanner.at + 1] === 'u'
      const length = isLong ? 6 : 2
      if (!(yield* scanner.has(length - 1))) {
        scanner.at = scanner.text.length
        return
      }
      heard(scanner.text.slice(scanner.at, scanner.at + length))
      scanner.at += length
    }
  }
}

/** A number, true, false or null. */
function* word(scanner: Scanner, heard: (text: string) => void, python: boolean): ScanStep<void> {
  let text = ''
  while ((yield* scanner.has()) && /[\w.+-]/.test(scanner.text[scanner.at]!)) {
    const char = scanner.text[scanner.at++]!
    text += char
    if (!python) heard(char)
  }
  if (python) heard(PYTHON_WORDS[text] ?? text)
}
