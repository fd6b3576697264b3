/**
 * exp, log, pow, sin and cos on f64, built from + - * / and bit access alone: the same bits on every engine, unlike
 * Math.exp and its kin, whose last bit differs between engines and versions. Within 1 ulp of the true value.
 *
 * The coefficients are those of the Taylor series; the constants ln 2 and π/2 are cut into parts that sum to 106 and
 * 159 bits. Methods: Cody and Waite, Software Manual for the Elementary Functions (argument reduction); Dekker, A
 * floating-point technique for extending the available precision (1971) (numbers as an unevaluated sum high + low).
 */

/** The first 42 bits of ln 2, so that a product with an exponent of 11 bits is exact, and the rest. */
const LN2_SHORT = 0.6931471805598903
const LN2_REST = 5.497923018708371e-14
/** ln 2 rounded, and the rest. */
const LN2 = LN2_SHORT + LN2_REST
const LN2_LOW = 2.3190468138462996e-17
const INVERSE_LN2 = 1 / LN2
const HALF_PI = 1.5707963267948966
const HALF_PI_2 = 6.123233995736766e-17
const HALF_PI_3 = -1.4973849048591698e-33
const TWO_OVER_PI = 0.6366197723675814
const QUARTER_PI = HALF_PI / 2
const SQRT2 = Math.sqrt(2)

const TWO_54 = 18014398509481984
const TWO_1023 = 8.98846567431158e307

const float64 = new Float64Array(1)
const uint32 = new Uint32Array(float64.buffer)
/** Which half of a double holds sign and exponent: 1 on little-endian machines. */
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0

/** 2^k for k in -1022..1023. */
function powerOfTwo(k: number): number {
  uint32[HIGH] = (k + 1023) << 20
  uint32[1 - HIGH] = 0
  return float64[0]!
}

/** a·b − product, exactly, where product is a·b rounded. Dekker 1971; |a|, |b| < 2^996. */
function productError(a: number, b: number, product: number): number {
  const aSplit = 134217729 * a
  const aHigh = aSplit - (aSplit - a)
  const aLow = a - aHigh
  const bSplit = 134217729 * b
  const bHigh = bSplit - (bSplit - b)
  const bLow = b - bHigh
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
}

/** a + b − sum, exactly, where sum is a + b rounded. Knuth, TAOCP vol. 2. */
function sumError(a: number, b: number, sum: number): number {
  const bVirtual = sum - a
  return a - (sum - bVirtual) + (b - bVirtual)
}

/** exp(k·ln 2 + r + rLow), |r| ≤ 0.35, |rLow| ≤ ulp(r), scaled last so that subnormals are rounded once. */
function expOf(k: number, r: number, rLow: number): number {
  // Terms beyond r^13/13! are below 2^-57.
  let q = 1 / 6227020800
  q = q * r + 1 / 479001600
  q = q * r + 1 / 39916800
  q = q * r + 1 / 3628800
  q = q * r + 1 / 362880
  q = q * r + 1 / 40320
  q = q * r + 1 / 5040
  q = q * r + 1 / 720
  q = q * r + 1 / 120
  q = q * r + 1 / 24
  q = q * r + 1 / 6
  q = q * r + 0.5
  const sum = 1 + r
  const y = sum + (1 - sum + r + (rLow + r * r * q))
  if (k > 1023) return y * powerOfTwo(k - 1023) * TWO_1023
  if (k < -1021) return (y * powerOfTwo(k + 54)) / TWO_54
  return y * powerOfTwo(k)
}

/** e^x. exp(-∞) = 0, exp(∞) = ∞; overflows above 709.78, underflows to 0 below -745.13. */
export function exp(x: number): number {
  if (x > 710) return Infinity
  if (x < -746) return 0
  if (Number.isNaN(x)) return x
  const k = Math.floor(x * INVERSE_LN2 + 0.5)
  const high = x - k * LN2_SHORT
  const low = k * LN2_REST
  const r = high - low
  return expOf(k, r, high - r - low)
}

/** 1/(2i+1) as high and low parts, i = 0..4: atanh's first coefficients. */
const ODD_HIGH = [1, 1 / 3, 1 / 5, 1 / 7, 1 / 9] as const
const ODD_LOW = ODD_HIGH.map((high, i) => {
  const n = 2 * i + 1
  const product = high * n
  return (1 - product - productError(high, n, product)) / n
})

/** The low part of the last logOf: the true logarithm is its result + logLow, to some 2^-75 of its size. */
let logLow = 0

/** ln x for finite x > 0, rounded, with the rest in logLow. ln(2^k·m) = k·ln 2 + 2·atanh((m − 1) / (m + 1)). */
function logOf(x: number): number {
  let k = 0
  let m = x
  if (m < 2.2250738585072014e-308) {
    m *= TWO_54
    k = -54
  }
  float64[0] = m
  const top = uint32[HIGH]!
  k += (top >>> 20) - 1023
  uint32[HIGH] = (top & 0xfffff) | (1023 << 20)
  m = float64[0]!
  if (m > SQRT2) {
    m *= 0.5
    k++
  }
  // s = (m − 1) / (m + 1), |s| ≤ 0.172; m − 1 is exact.
  const numerator = m - 1
  const denominator = m + 1
  const denominatorLow = sumError(m, 1, denominator)
  const s = numerator / denominator
  const product = s * denominator
  const sLow = (numerator - product - productError(s, denominator, product) - s * denominatorLow) / denominator
  const z = s * s
  const zLow = productError(s, s, z) + 2 * s * sLow
  // atanh(s)/s = sum z^i/(2i+1): the small terms in f64, the first five as high + low.
  let high = 1 / 31
  for (let n = 29; n > 9; n -= 2) high = high * z + 1 / n
  let low = 0
  for (let i = 4; i >= 0; i--) {
    const p = high * z
    const rest = productError(high, z, p) + (high * zLow + low * z)
    const c = ODD_HIGH[i]!
    const sum = c + p
    const sumLow = p - (sum - c) + (rest + ODD_LOW[i]!)
    high = sum + sumLow
    low = sumLow - (high - sum)
  }
  const p = high * s
  const pLow = productError(high, s, p) + (high * sLow + low * s)
  const base = k * LN2
  const baseLow = productError(k, LN2, base) + k * LN2_LOW
  const sum = base + 2 * p
  const sumLow = sumError(base, 2 * p, sum) + (baseLow + 2 * pLow)
  const result = sum + sumLow
  logLow = sumLow - (result - sum)
  return result
}

/** Natural logarithm. log(0) = -∞, log(∞) = ∞, NaN below zero. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN
  return x === Infinity ? x : logOf(x)
}

/**
 * base^y for base ≥ 0, with C's special cases: pow(x, 0) = pow(1, y) = 1, whatever x and y. A negative base gives NaN:
 * nothing here raises one to a power.
 */
export function pow(base: number, y: number): number {
  if (y === 0 || base === 1) return 1
  if (!(base >= 0) || Number.isNaN(y)) return NaN
  if (base === 0) return y > 0 ? 0 : Infinity
  if (base === Infinity) return y > 0 ? Infinity : 0
  const l = logOf(base)
  const t = y * l
  if (t > 710) return Infinity
  if (t < -746) return 0
  const tLow = productError(y, l, t) + y * logLow
  const k = Math.floor(t * INVERSE_LN2 + 0.5)
  const high = t - k * LN2_SHORT
  const low = k * LN2_REST - tLow
  const r = high - low
  return expOf(k, r, high - r - low)
}

/** What reduce leaves: x = quadrant·π/2 + angle + angleLow, |angle| ≤ π/4 (and a rounding). */
let angle = 0
let angleLow = 0

/** Reduces a finite x; returns the quadrant 0..3. */
function reduce(x: number): number {
  if (Math.abs(x) <= QUARTER_PI) {
    angle = x
    angleLow = 0
    return 0
  }
  if (Math.abs(x) > 1073741824) return reduceLarge(x)
  const k = Math.floor(x * TWO_OVER_PI + 0.5)
  const p1 = k * HALF_PI
  const p2 = k * HALF_PI_2
  const p1Low = productError(k, HALF_PI, p1)
  const p2Low = productError(k, HALF_PI_2, p2)
  const a = x - p1
  const b = a - p1Low
  const c = b - p2
  const low = sumError(x, -p1, a) + sumError(a, -p1Low, b) + sumError(b, -p2, c) - p2Low - k * HALF_PI_3
  angle = c + low
  angleLow = low - (angle - c)
  return k & 3
}

/** π/2 times 2^1200, which is what the largest doubles need; made by Machin's formula when first asked for. */
const FRACTION_BITS = 1200n
let halfPi = 0n

/** atan(1/n) times 2^(1200 + 16). */
function arcTangent(n: bigint): bigint {
  let power = (1n << (FRACTION_BITS + 16n)) / n
  let sum = power
  for (let i = 3n, sign = -1n; power > 0n; i += 2n, sign = -sign) {
    power /= n * n
    sum += (sign * power) / i
  }
  return sum
}

/** Reduces |x| > 2^30 in integers. */
function reduceLarge(x: number): number {
  if (halfPi === 0n) halfPi = (2n * (4n * arcTangent(5n) - arcTangent(239n))) >> 16n
  float64[0] = x
  const shift = ((uint32[HIGH]! >>> 20) & 2047) - 1075
  uint32[HIGH] = (uint32[HIGH]! & 0x800fffff) | (1075 << 20)
  const scaled = BigInt(float64[0]!) << (BigInt(shift) + FRACTION_BITS)
  let k = scaled / halfPi
  let rest = scaled - k * halfPi
  if (2n * rest > halfPi) {
    rest -= halfPi
    k++
  } else if (2n * rest < -halfPi) {
    rest += halfPi
    k--
  }
  rest >>= FRACTION_BITS - 200n
  const high = Number(rest)
  angle = high * powerOfTwo(-200)
  angleLow = Number(rest - BigInt(high)) * powerOfTwo(-200)
  return Number(BigInt.asUintN(2, k))
}

/** sin(angle + angleLow): Taylor up to angle^17. */
function sinOfAngle(): number {
  const z = angle * angle
  let q = 1 / 355687428096000
  q = q * z - 1 / 1307674368000
  q = q * z + 1 / 6227020800
  q = q * z - 1 / 39916800
  q = q * z + 1 / 362880
  q = q * z - 1 / 5040
  q = q * z + 1 / 120
  q = q * z - 1 / 6
  return angle + (angleLow * (1 - 0.5 * z) + z * angle * q)
}

/** cos(angle + angleLow): Taylor up to angle^18. */
function cosOfAngle(): number {
  const z = angle * angle
  let q = -1 / 6402373705728000
  q = q * z + 1 / 20922789888000
  q = q * z - 1 / 87178291200
  q = q * z + 1 / 479001600
  q = q * z - 1 / 3628800
  q = q * z + 1 / 40320
  q = q * z - 1 / 720
  q = q * z + 1 / 24
  const half = 0.5 * z
  const sum = 1 - half
  return sum + (1 - sum - half + (z * z * q - angle * angleLow))
}

/** Sine of x radians, for any finite x; NaN for ±∞. */
export function sin(x: number): number {
  if (!(Math.abs(x) < Infinity)) return NaN
  // sin x rounds to x; keeps -0.
  if (Math.abs(x) < 1e-8) return x
  const quadrant = reduce(x)
  const value = quadrant & 1 ? cosOfAngle() : sinOfAngle()
  return quadrant & 2 ? -value : value
}

/** Cosine of x radians, for any finite x; NaN for ±∞. */
export function cos(x: number): number {
  if (!(Math.abs(x) < Infinity)) return NaN
  const quadrant = reduce(x)
  const value = quadrant & 1 ? sinOfAngle() : cosOfAngle()
  return quadrant === 1 || quadrant === 2 ? -value : value
}
