/** Numbers that are read digit by digit, and whether they are multiples of another. */

/** Digits of a number of which `remainder` modulo `divisor` was read; `fraction` digits may follow the point. */
export interface Multiple {
  readonly divisor: number
  readonly remainder: number
  readonly fraction: number
  readonly pointed: boolean
}

/** Whether the digits so far are a multiple. */
export function isMultiple({ divisor, remainder, fraction }: Multiple): boolean {
  let rest = remainder
  for (let i = 0; i < fraction; i++) rest = digitAfter(rest, 0, divisor)
  return rest === 0
}

/** Whether digits can follow that make a multiple: before the point as many as it takes. */
export function hasMultiple({ divisor, remainder, fraction, pointed }: Multiple): boolean {
  if (!pointed) return true
  const places = BigInt(`1${'0'.repeat(fraction)}`)
  const missing = (BigInt(divisor) - ((BigInt(remainder) * places) % BigInt(divisor))) % BigInt(divisor)
  return missing < places
}

/** After one byte more; undefined where no multiple can come of it. */
export function multipleAfter(multiple: Multiple, byte: number): Multiple | undefined {
  const { divisor, remainder, fraction, pointed } = multiple
  if (byte === 0x2e && !pointed) return { ...multiple, pointed: true }
  const digit = byte - 0x30
  if (digit < 0 || digit > 9) return undefined
  // Zeros at the end say nothing.
  if (pointed && fraction === 0) return digit === 0 ? multiple : undefined
  const next = digitAfter(remainder, digit, divisor)
  return { divisor, remainder: next, fraction: pointed ? fraction - 1 : fraction, pointed }
}

/** The remainder of a number that has one digit more. */
function digitAfter(remainder: number, digit: number, divisor: number): number {
  const next = remainder * 10 + digit
  if (next <= Number.MAX_SAFE_INTEGER) return next % divisor
  return Number((BigInt(remainder) * 10n + BigInt(digit)) % BigInt(divisor))
}
