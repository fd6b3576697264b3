/** Numbers of JSON within bounds, as terms over their digits. */

import type { JsonText } from '../json-text.ts'
import type { Term } from '../terms.ts'

export interface NumberLimits {
  readonly integer: boolean
  /** Integers are outside: what `not` makes of `integer`. */
  readonly fractional: boolean
  readonly min: NumberBound | undefined
  readonly max: NumberBound | undefined
  readonly multiples: readonly number[]
  /** Multiples of these are outside. */
  readonly notMultiples: readonly number[]
  readonly excluded: readonly number[]
}

export interface NumberBound {
  readonly value: number
  /** The value itself is outside. */
  readonly exclusive: boolean
}

export const ANY_NUMBER: NumberLimits = {
  integer: false,
  fractional: false,
  min: undefined,
  max: undefined,
  multiples: [],
  notMultiples: [],
  excluded: [],
}

/** A value that is not negative: digits without leading zeros before the point, without trailing ones after it. */
interface Decimal {
  readonly whole: string
  readonly fraction: string
}

/** More than JSON.stringify, and Python's json of all but the largest integers, ever write. */
const MAX_WHOLE = 64
const MAX_FRACTION = 25
const ZERO: NumberBound = { value: 0, exclusive: false }

export function tighterMin(a: NumberBound | undefined, b: NumberBound | undefined): NumberBound | undefined {
  if (!a || !b) return a ?? b
  return a.value > b.value || (a.value === b.value && a.exclusive) ? a : b
}

export function tighterMax(a: NumberBound | undefined, b: NumberBound | undefined): NumberBound | undefined {
  const turned = tighterMin(a && negated(a), b && negated(b))
  return turned && negated(turned)
}

/** Whether a value is within limits; multiples as exact decimals. */
export function isWithin(
  value: number,
  { integer, fractional, min, max, multiples, notMultiples, excluded }: NumberLimits,
): boolean {
  if (Number.isInteger(value) ? fractional : integer) return false
  if (min && (value < min.value || (min.exclusive && value === min.value))) return false
  if (max && (value > max.value || (max.exclusive && value === max.value))) return false
  if (excluded.includes(value)) return false
  const isMultiple = (divisor: number): boolean => {
    const [a, b] = [scaled(Math.abs(value)), scaled(divisor)]
    const places = Math.max(a.places, b.places)
    return shifted(a.digits, places - a.places) % shifted(b.digits, places - b.places) === 0n
  }
  return multiples.every(isMultiple) && !notMultiples.some(isMultiple)
}

export function numberTerm(json: JsonText, limits: NumberLimits): Term {
  return new NumberTerms(json).term(limits)
}

class NumberTerms {
  private readonly digit: Term
  private readonly nonZero: Term
  private readonly point: Term

  constructor(private readonly json: JsonText) {
    this.digit = json.oneOf('0123456789')
    this.nonZero = json.oneOf('123456789')
    this.point = json.literal('.')
  }

  term(limits: NumberLimits): Term {
    const { json } = this
    const { terms } = json
    const { min, max, multiples, notMultiples, excluded, integer, fractional } = limits
    if (integer && fractional) return terms.none
    const positive = this.side(limits, min, max)
    const negative = this.side(limits, max && negated(max), min && negated(min), true)
    const options = [positive, terms.sequence([json.literal('-'), negative])]
    const digitsAlone = fractional || [multiples, notMultiples, excluded].some(({ length }) => length > 0)
    if (!digitsAlone) options.push(...this.exponents(integer, min, max))
    return terms.or(options)
  }

  /** The digits of values from `min` up to `max` that are not negative; without 0 for the side of the minus sign. */
  private side(limits: NumberLimits, min: NumberBound | undefined, max: NumberBound | undefined, minus = false): Term {
    const { terms } = this.json
    const { integer, fractional, multiples, notMultiples, excluded } = limits
    let low = tighterMin(min, ZERO)!
    // -0 is written as 0.
    if (minus && low.value === 0) low = { value: 0, exclusive: true }
    if (max && (max.value < low.value || (max.value === low.value && (max.exclusive || low.exclusive))))
      return terms.none
    const parts = [this.atLeast(inclusive(low, nextUp), integer)]
    if (max) parts.push(this.atMost(inclusive(max, nextDown), integer))
    if (fractional) parts.push(this.noInteger())
    if (notMultiples.length > 0) parts.push(this.fewDigits())
    const multipleOf = (divisor: number): Term => {
      const { digits, places } = scaled(divisor)
      return terms.multipleOf(Number(digits), places)
    }
    parts.push(...multiples.map(multipleOf), ...notMultiples.map((divisor) => terms.not(multipleOf(divisor))))
    for (const value of excluded) {
      if (value < 0 === minus) parts.push(terms.not(this.readAs(Math.abs(value), integer)))
    }
    return terms.and(parts)
  }

  /** Every way to write a value that is not negative: what is nearer to it than to the next that a double holds. */
  private readAs(value: number, integer: boolean): Term {
    const { json } = this
    const { terms } = json
    if (value === 0)
      return terms.sequence([json.literal('0'), terms.optional(terms.sequence([this.point, this.zeros()]))])
    const [min, max] = [nextDown(value), nextUp(value)].map((bound): NumberBound => ({ value: bound, exclusive: true }))
    return terms.and([this.atLeast(min!, integer), this.atMost(max!, integer)])
  }

  private zeros(): Term {
    return this.json.terms.repeat(this.json.literal('0'))
  }

  /** Digits that no double takes for an integer: few before the point, and after it neither zeros nor nines alone. */
  private noInteger(): Term {
    const { json } = this
    const { terms } = json
    const more = this.digits(0, MAX_FRACTION)
    const near = ['000000', '999999'].map((digits) => terms.not(terms.sequence([json.literal(digits), more])))
    const fraction = terms.and([this.digits(1, MAX_FRACTION), terms.not(this.zeros()), ...near])
    return terms.sequence([this.digits(1, 9), this.point, fraction])
  }

  /** Digits that a double holds exactly enough to tell what they are a multiple of. */
  private fewDigits(): Term {
    const { terms } = this.json
    return terms.sequence([this.digits(1, 9), terms.optional(terms.sequence([this.point, this.digits(1, 6)]))])
  }

  private whole(): Term {
    const { json } = this
    const { terms } = json
    return terms.or([json.literal('0'), terms.sequence([this.nonZero, terms.repeat(this.digit, 0, MAX_WHOLE - 1)])])
  }

  /** Up to `count` digits, and at least `least`. */
  private digits(least: number, count: number): Term {
    return this.json.terms.repeat(this.digit, least, Math.max(count, least))
  }

  private fraction(integer: boolean): Term {
    const { terms } = this.json
    return integer ? terms.empty : terms.optional(terms.sequence([this.point, this.digits(1, MAX_FRACTION)]))
  }

  private atLeast({ value, exclusive }: NumberBound, integer: boolean): Term {
    const { json } = this
    const { terms } = json
    if (value === 0 && !exclusive) return terms.sequence([this.whole(), this.fraction(integer)])
    const { whole, fraction } = decimal(value)
    const options: Term[] = []
    // More digits, or as many of which the first other one is larger.
    if (whole.length < MAX_WHOLE) {
      const more = terms.repeat(this.digit, whole.length, MAX_WHOLE - 1)
      options.push(terms.sequence([this.nonZero, more, this.fraction(integer)]))
    }
    for (let i = 0; i < whole.length; i++) {
      const larger = this.between(Number(whole[i]) + 1, 9)
      const rest = this.digits(whole.length - i - 1, whole.length - i - 1)
      options.push(terms.sequence([json.literal(whole.slice(0, i)), larger, rest, this.fraction(integer)]))
    }
    options.push(terms.sequence([json.literal(whole), this.fractionAtLeast(fraction, exclusive, integer)]))
    return terms.or(options)
  }

  private fractionAtLeast(fraction: string, exclusive: boolean, integer: boolean): Term {
    const { json } = this
    const { terms } = json
    if (integer) return fraction === '' && !exclusive ? terms.empty : terms.none
    const options: Term[] = []
    for (let i = 0; i < fraction.length; i++) {
      const larger = this.between(Number(fraction[i]) + 1, 9)
      options.push(
        terms.sequence([this.point, json.literal(fraction.slice(0, i)), larger, this.digits(0, MAX_FRACTION - i)]),
      )
    }
    const same = terms.sequence([this.point, json.literal(fraction)])
    if (exclusive) {
      const zeros = terms.repeat(json.literal('0'), 0, MAX_FRACTION)
      options.push(terms.sequence([same, zeros, this.nonZero, this.digits(0, MAX_FRACTION)]))
    } else if (fraction === '') options.push(this.fraction(false))
    else options.push(terms.sequence([same, this.digits(0, MAX_FRACTION)]))
    return terms.or(options)
  }

  private atMost({ value, exclusive }: NumberBound, integer: boolean): Term {
    const { json } = this
    const { terms } = json
    const { whole, fraction } = decimal(value)
    const options: Term[] = []
    // Fewer digits, or as many of which the first other one is smaller.
    if (whole.length > 1) {
      const fewer = terms.sequence([this.nonZero, this.digits(0, whole.length - 2)])
      options.push(terms.sequence([terms.or([json.literal('0'), fewer]), this.fraction(integer)]))
    }
    for (let i = 0; i < whole.length; i++) {
      const smaller = this.between(i === 0 && whole.length > 1 ? 1 : 0, Number(whole[i]) - 1)
      const rest = this.digits(whole.length - i - 1, whole.length - i - 1)
      options.push(terms.sequence([json.literal(whole.slice(0, i)), smaller, rest, this.fraction(integer)]))
    }
    options.push(terms.sequence([json.literal(whole), this.fractionAtMost(fraction, exclusive, integer)]))
    return terms.or(options)
  }

  private fractionAtMost(fraction: string, exclusive: boolean, integer: boolean): Term {
    const { json } = this
    const { terms } = json
    if (integer) return fraction === '' && exclusive ? terms.none : terms.empty
    const options: Term[] = []
    for (let i = 0; i < fraction.length; i++) {
      const before = terms.sequence([this.point, json.literal(fraction.slice(0, i))])
      options.push(i === 0 ? terms.empty : before)
      options.push(terms.sequence([before, this.between(0, Number(fraction[i]) - 1), this.digits(0, MAX_FRACTION - i)]))
    }
    if (!exclusive) {
      const zeros = terms.repeat(json.literal('0'), fraction === '' ? 1 : 0, MAX_FRACTION)
      options.push(terms.sequence([this.point, json.literal(fraction), zeros]))
      if (fraction === '') options.push(terms.empty)
    }
    return terms.or(options)
  }

  private between(low: number, high: number): Term {
    return low > high ? this.json.terms.none : this.json.terms.range(0x30 + low, 0x30 + high)
  }

  /** Numbers with an exponent. Within bounds: those that JSON.stringify writes so, from 1e21 and below 1e-6. */
  private exponents(integer: boolean, min: NumberBound | undefined, max: NumberBound | undefined): Term[] {
    const { json } = this
    const { terms } = json
    const minus = json.literal('-')
    const mantissa = terms.sequence([this.nonZero, terms.optional(terms.sequence([this.point, this.digits(1, 17)]))])
    if (!integer && !min && !max) {
      const sign = terms.optional(json.oneOf('+-'))
      const power = this.powers(0, 307)
      return [terms.sequence([terms.optional(minus), mantissa, json.oneOf('eE'), sign, power])]
    }
    const large = terms.sequence([mantissa, json.literal('e+'), this.powers(21, 307)])
    const small = terms.sequence([mantissa, json.literal('e-'), this.powers(7, 320)])
    const options: Term[] = []
    if (!max && !(min && min.value > 1e21)) options.push(large)
    if (!min && !(max && max.value < -1e21)) options.push(terms.sequence([minus, large]))
    if (integer) return options
    if (!(min && min.value > 0) && !(max && max.value < 1e-6)) options.push(small)
    if (!(max && max.value < 0) && !(min && min.value > -1e-6)) options.push(terms.sequence([minus, small]))
    return options
  }

  /** Whole numbers from `low` to `high` without leading zeros. */
  private powers(low: number, high: number): Term {
    const [min, max] = [low, high].map((value): NumberBound => ({ value, exclusive: false }))
    return this.json.terms.and([this.atLeast(min!, true), this.atMost(max!, true)])
  }
}

/**
 * A bound that the values themselves may have: a text that is nearer to an excluded bound than to the next double is read
 * as the bound.
 */
function inclusive(bound: NumberBound, next: (value: number) => number): NumberBound {
  return bound.exclusive && bound.value > 0 ? { value: next(bound.value), exclusive: false } : bound
}

/** The doubles beside a value above 0. */
function nextUp(value: number): number {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  bits.setBigInt64(0, bits.getBigInt64(0) + 1n)
  return bits.getFloat64(0)
}

function nextDown(value: number): number {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  bits.setBigInt64(0, bits.getBigInt64(0) - 1n)
  return bits.getFloat64(0)
}

function negated({ value, exclusive }: NumberBound): NumberBound {
  return { value: -value, exclusive }
}

/** The digits of a value that is not negative, as ECMAScript writes it, without an exponent. */
function decimal(value: number): Decimal {
  const { digits, places } = scaled(value)
  const text = digits.toString().padStart(places + 1, '0')
  const point = text.length - places
  return { whole: text.slice(0, point), fraction: text.slice(point).replace(/0+$/, '') }
}

/** A value that is not negative, as digits / 10 ** places. */
function scaled(value: number): { digits: bigint; places: number } {
  const [, whole = '0', fraction = '', exponent = '0'] = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  const places = fraction.length - Number(exponent)
  const digits = BigInt(whole + fraction)
  return places >= 0 ? { digits, places } : { digits: shifted(digits, -places), places: 0 }
}

/** With zeros at the end. */
function shifted(digits: bigint, zeros: number): bigint {
  return digits * BigInt(`1${'0'.repeat(zeros)}`)
}
