/** Python's int and float: arithmetic, texts of numbers and numbers of texts. */
import { pow } from '../../util/math.ts'
import { Float, fail, unfit, type Value } from './values.ts'

/** 2 to 2^16: more digits than Python prints. */
const BITS_MOST = 1 << 16
const INT_MOST = 1n << BigInt(BITS_MOST)
const DIGITS_MOST = 4300
const HUGE = 'an int has too many digits'

/** An int of any size as its value. */
export function int(n: bigint): number | bigint {
  if (n >= -9007199254740991n && n <= 9007199254740991n) return Number(n)
  return n > INT_MOST || n < -INT_MOST ? fail(HUGE) : n
}

/** A number of JavaScript's as an int, where it is whole. */
export const intOf = (n: number): number | bigint => (Number.isSafeInteger(n) ? n : int(BigInt(n)))

/** An int or bool as an int; undefined for other values. */
export function asInt(value: Value | undefined): number | bigint | undefined {
  if (typeof value === 'boolean') return Number(value)
  return typeof value === 'number' || typeof value === 'bigint' ? value : undefined
}

/** A number as JavaScript's; undefined for what is none. */
export function asNumber(value: Value | undefined): number | undefined {
  if (value instanceof Float) return value.n
  const whole = asInt(value)
  return whole === undefined ? undefined : Number(whole)
}

const divided = () => fail('division by zero')

function floatFloor(a: number, b: number): [quotient: number, rest: number] {
  if (b === 0) divided()
  let rest = a % b
  let quotient = (a - rest) / b
  if (rest !== 0 && rest < 0 !== b < 0) {
    rest += b
    quotient -= 1
  } else if (rest === 0) rest = b < 0 ? -0 : 0
  const floor = Math.floor(quotient)
  return [quotient - floor > 0.5 ? floor + 1 : floor, rest]
}

function floats(op: string, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return b === 0 ? divided() : a / b
    case '//':
      return floatFloor(a, b)[0]
    case '%':
      return floatFloor(a, b)[1]
    default:
      return power(a, b)
  }
}

function power(a: number, b: number): number {
  if (a === 0 && b < 0) divided()
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
  let result = 1n
  // Of 0, 1 and −1 only whether the exponent is 0, odd or even counts.
  const steps = size > 1n || exponent === 0n ? exponent : 2n - (exponent & 1n)
  for (let square = base, left = steps; left > 0n; left >>= 1n) {
    if (left & 1n) result *= square
    if (left > 1n) square *= square
  }
  return result
}

function ints(op: string, a: bigint, b: bigint): bigint {
  const rest = () => {
    const r = b === 0n ? divided() : a % b
    return r !== 0n && r < 0n !== b < 0n ? r + b : r
  }
  switch (op) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '//':
      return (a - rest()) / b
    case '%':
      return rest()
    default:
      return intPower(a, b)
  }
}

/** `+ - * / // % **` of two numbers; undefined where one is none. */
export function arithmetic(op: string, a: Value, b: Value): Value | undefined {
  const [x, y] = [asInt(a), asInt(b)]
  if (x === undefined || y === undefined || op === '/' || (op === '**' && y < 0)) {
    const [m, n] = [asNumber(a), asNumber(b)]
    return m === undefined || n === undefined ? undefined : new Float(floats(op, m, n))
  }
  if (typeof x === 'number' && typeof y === 'number') {
    const quick = op === '+' ? x + y : op === '-' ? x - y : op === '*' ? x * y : Number.NaN
    if (Number.isSafeInteger(quick)) return quick + 0
  }
  return int(ints(op, BigInt(x), BigInt(y)))
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

export function floatText(n: number): string {
  if (Number.isNaN(n)) return 'nan'
  if (!Number.isFinite(n)) return n < 0 ? '-inf' : 'inf'
  const [mantissa = '', power = ''] = n.toExponential().split('e')
  const exponent = Number(power)
  const sign = n < 0 || Object.is(n, -0) ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (exponent < -4 || exponent >= 16) {
    const tail = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${sign}${digits[0]}${tail}e${exponentText(exponent)}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.padEnd(exponent + 1, '0')
  return `${sign}${whole.slice(0, exponent + 1)}.${whole.slice(exponent + 1) || '0'}`
}

export const exponentText = (exponent: number) =>
  `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`

const bits = new DataView(new ArrayBuffer(8))

/** A finite float without its sign as numerator and a power of two: n = m · 2^e. */
function exactly(n: number): [m: bigint, e: number] {
  bits.setFloat64(0, Math.abs(n))
  const word = bits.getBigUint64(0)
  const exponent = Number(word >> 52n)
  const fraction = word & 0xfffffffffffffn
  return exponent === 0 ? [fraction, -1074] : [fraction | 0x10000000000000n, exponent - 1075]
}

/** a / b to the nearest, ties to even. */
export function rounded(a: bigint, b: bigint): bigint {
  const quotient = a / b
  const twice = (a - quotient * b) * 2n
  return twice > b || (twice === b && quotient & 1n) ? quotient + 1n : quotient
}

/** A finite float in decimal with `digits` after the point (fewer than none: tens, hundreds …), ties to even, exactly. */
export function fixed(n: number, digits: number): string {
  const [m, e] = exactly(n)
  const scale = intPower(10n, BigInt(Math.abs(digits)))
  const top = (e > 0 ? m << BigInt(e) : m) * (digits > 0 ? scale : 1n)
  const bottom = (e < 0 ? 1n << BigInt(-e) : 1n) * (digits < 0 ? scale : 1n)
  const whole = rounded(top, bottom) * (digits < 0 ? scale : 1n)
  const sign = n < 0 || Object.is(n, -0) ? '-' : ''
  if (digits <= 0) return sign + whole
  const text = String(whole).padStart(digits + 1, '0')
  return `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`
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

/** float(text); undefined where the text is none. */
export function parseFloatText(text: string): number | undefined {
  const plain = text.trim().toLowerCase()
  const named = /^([-+]?)(inf|infinity|nan)$/.exec(plain)
  if (named) return named[2] === 'nan' ? Number.NaN : named[1] === '-' ? -Infinity : Infinity
  const digits = '\\d+(?:_\\d+)*'
  const number = new RegExp(`^[-+]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:e[-+]?${digits})?$`)
  return number.test(plain) ? Number(plain.replaceAll('_', '')) : undefined
}
