/** Python's int and float: arithmetic, texts of numbers and numbers of texts. */
import { pow } from '../../util/math.ts'
import { defined, Float, fail, textOf, unfit, type Value } from './values.ts'

/** 2 to 2^16: more digits than Python prints. */
const BITS_MOST = 1 << 16
const INT_MOST = 1n << BigInt(BITS_MOST)
const DIGITS_MOST = 4300
const HUGE = 'an int has too many digits'
const BY_ZERO = 'division by zero'

/** An int of any size as its value. */
export function int(n: bigint): number | bigint {
  if (Number.isSafeInteger(Number(n))) return Number(n)
  return n > INT_MOST || n < -INT_MOST ? fail(HUGE) : n
}

/** A number of JavaScript's as an int, where it is whole. */
export const intOf = (n: number): number | bigint => (Number.isSafeInteger(n) ? n : int(BigInt(n)))

/** An int or bool as an int; undefined for other values. */
export function asInt(value: Value | undefined): number | bigint | undefined {
  if (typeof value === 'boolean') return Number(value)
  return typeof value === 'number' || typeof value === 'bigint' ? value : undefined
}

/** A number for JavaScript's comparisons, which are exact between kinds; undefined for what is none. */
export const numeric = (value: Value | undefined) => (value instanceof Float ? value.n : asInt(value))

/** A number as JavaScript's; undefined for what is none. */
export function asNumber(value: Value | undefined): number | undefined {
  const n = numeric(value)
  return n === undefined ? n : Number(n)
}

/** `+ - * / // %` of two floats or two bigints: JavaScript's operators are the same for both. `one` is of their kind. */
function operate<N extends number | bigint>(op: string, x: N, y: N, one: N): N
function operate(op: string, a: number, b: number, one: number): number {
  if (op === '+') return a + b
  if (op === '-') return a - b
  if (op === '*') return a * b
  if (op === '/') return a / b
  const rest = a % b
  const quotient = (a - rest) / b
  // Python's floors.
  const below = Number(rest) !== 0 && rest < 0 !== b < 0
  if (op === '//') return below ? quotient - one : quotient
  if (rest === 0) return b < 0 ? -0 : 0
  return below ? rest + b : rest
}

/** The whole number that a quotient of floats is meant to be. */
function whole(quotient: number): number {
  const floor = Math.floor(quotient)
  return quotient - floor > 0.5 ? floor + 1 : floor
}

function power(a: number, b: number): number {
  if (a === 0 && b < 0) fail(BY_ZERO)
  if (a < 0 && !Number.isInteger(b)) fail('a power of a negative number is complex')
  if (b === 0.5) return Math.sqrt(a)
  let product = Math.abs(b) <= 64 ? 1 : Number.NaN
  for (let i = Math.abs(b); i >= 1 && Number.isSafeInteger(product); i--) product *= a
  // Exact, or the nearest to an exact one.
  if (Number.isInteger(b) && Number.isSafeInteger(product)) return b < 0 ? 1 / product : product
  const result = (a < 0 && b % 2 !== 0 ? -1 : 1) * pow(Math.abs(a), b)
  return Number.isFinite(result) || !Number.isFinite(a) || !Number.isFinite(b) ? result : fail('a power is too large')
}

function intPower(base: bigint, exponent: bigint): bigint {
  const size = base < 0n ? -base : base
  if (size > 1n && BigInt(size.toString(2).length - 1) * exponent > BigInt(BITS_MOST)) fail(HUGE)
  // biome-ignore lint/plugin: ints are the same everywhere. Of 0, 1 and −1 only whether the exponent is 0, odd or even counts.
  return base ** (size > 1n || exponent === 0n ? exponent : 2n - (exponent & 1n))
}

/** `+ - * / // % **` of two numbers; undefined where one is none. */
export function arithmetic(op: string, a: Value, b: Value): Value | undefined {
  const [m, n] = [asNumber(a), asNumber(b)]
  if (m === undefined || n === undefined) return undefined
  if (n === 0 && ['/', '//', '%'].includes(op)) fail(BY_ZERO)
  const [x, y] = [asInt(a), asInt(b)]
  if (x === undefined || y === undefined || op === '/' || (op === '**' && y < 0)) {
    if (op === '**') return new Float(power(m, n))
    const result = operate(op, m, n, 1)
    return new Float(op === '//' ? whole(result) : result)
  }
  if (op === '**') return int(intPower(BigInt(x), BigInt(y)))
  const quick = operate(op, m, n, 1)
  return [m, n, quick].every(Number.isSafeInteger) ? quick + 0 : int(operate(op, BigInt(x), BigInt(y), 1n))
}

export function negate(value: Value): Value | undefined {
  if (value instanceof Float) return new Float(-value.n)
  return arithmetic('-', 0, value)
}

/** An int as Python prints it. */
export function intText(n: number | bigint): string {
  const text = String(n)
  return text.length > DIGITS_MOST + 1 ? fail(HUGE) : text
}

/** Whether a number has a minus, as −0 does. */
export const isNegative = (n: number | bigint) => n < 0 || Object.is(n, -0)

/** A float as Python prints it: the shortest digits that are it, without an exponent from 1e-4 to 1e16. */
export function floatText(n: number): string {
  if (!Number.isFinite(n)) return String(n).replace('Infinity', 'inf').toLowerCase()
  const size = Math.abs(n)
  const text = (isNegative(n) ? '-' : '') + size
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return wideExponent(n.toExponential())
  return Number.isInteger(n) ? `${text}.0` : text
}

/** Exponents have two digits at least. */
export const wideExponent = (text: string) => text.replace(/(e[-+])(\d)$/, '$10$2')

/** a / b of two positive ints to the nearest, ties to even. */
function rounded(a: bigint, b: bigint): bigint {
  const quotient = a / b
  const twice = (a - quotient * b) * 2n
  return twice > b || (twice === b && quotient & 1n) ? quotient + 1n : quotient
}

/** The size of a finite float times a power of ten as an int, ties to even, exactly. */
export function scaled(n: number, digits: number): bigint {
  let size = Math.abs(n)
  let bottom = 1n
  for (; !Number.isInteger(size); size *= 2) bottom *= 2n
  const scale = intPower(10n, BigInt(Math.abs(digits)))
  return digits > 0 ? rounded(BigInt(size) * scale, bottom) : rounded(BigInt(size), bottom * scale)
}

/** A finite float in decimal with `digits` after the point (fewer than none: tens, hundreds …). */
export function fixed(n: number, digits: number): string {
  const sign = isNegative(n) ? '-' : ''
  const text = String(scaled(n, digits)).padStart(digits + 1, '0')
  return sign + (digits > 0 ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text + '0'.repeat(-digits))
}

/** Python's round(value, digits). */
export function round(value: Value, digits: number): Value {
  const whole = asInt(value)
  if (whole !== undefined) {
    if (digits >= 0) return whole
    const scale = intPower(10n, BigInt(Math.min(-digits, DIGITS_MOST)))
    const n = BigInt(whole)
    return int((n < 0n ? -1n : 1n) * rounded(n < 0n ? -n : n, scale) * scale)
  }
  const n = asNumber(value)
  if (n === undefined) return unfit(value, 'is no number')
  if (!Number.isFinite(n) || digits > 330) return new Float(n)
  return new Float(digits < -330 ? n * 0 : Number(fixed(n, digits)))
}

const PREFIXES: Readonly<Record<string, number>> = { '0b': 2, '0o': 8, '0x': 16 }

/** int(text, base) for bases 2 to 36, and 0 for what the prefix says; undefined where the text is no int. */
export function parseInteger(text: string, base = 10): number | bigint | undefined {
  const [, sign, plain] = /^\s*([-+]?)([\da-z]+(?:_[\da-z]+)*)\s*$/i.exec(text) ?? []
  if (plain === undefined || plain.length > DIGITS_MOST * 2) return undefined
  const digits = plain.replaceAll('_', '').toLowerCase()
  const prefix = PREFIXES[digits.slice(0, 2)]
  const radix = base === 0 ? (prefix ?? 10) : base
  const rest = prefix === radix ? digits.slice(2) : digits
  if (rest === '' || rest.length > DIGITS_MOST || (base === 0 && /^0+[1-9]/.test(digits) && !prefix)) return undefined
  let n = 0n
  for (const digit of rest) {
    const value = Number.parseInt(digit, 36)
    if (value >= radix) return undefined
    n = n * BigInt(radix) + BigInt(value)
  }
  return int(sign === '-' ? -n : n)
}

/** Of a number, with single underscores between them. */
export const DIGITS = '\\d(?:_?\\d)*'

/** float(text); undefined where the text is none. */
function parseFloatText(text: string): number | undefined {
  const plain = text.trim().toLowerCase()
  const number = new RegExp(
    `^[-+]?(?:nan|inf(?:inity)?|(?:${DIGITS}\\.?(?:${DIGITS})?|\\.${DIGITS})(?:e[-+]?${DIGITS})?)$`,
  )
  if (!number.test(plain)) return undefined
  return Number(plain.replaceAll('_', '').replace(/inf.*/, 'Infinity'))
}

/** float(value); undefined where the value is no number, nor a text of one. */
export function floatOf(value: Value): number | undefined {
  const text = textOf(defined(value))
  return text === undefined ? asNumber(value) : parseFloatText(text)
}
