/** JSON as Python reads it: 1.0 is a float, and an int has all its digits. */
import { Float } from '../js/chat/jinja/values.ts'

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** Parses JSON for templates: numbers with a point as Float, those beyond the safe integers as bigint. */
export function parsePythonJson(text: string): unknown {
  const marked = text.replace(TOKEN, (token) => {
    if (token.startsWith('"') || Number.isSafeInteger(Number(token)) === /^-?\d+$/.test(token)) return token
    return JSON.stringify({ $number: token })
  })
  return JSON.parse(marked, (_, value) => {
    const number = value?.$number
    if (typeof number !== 'string') return value
    return /^-?\d+$/.test(number) ? BigInt(number) : new Float(Number(number))
  })
}
