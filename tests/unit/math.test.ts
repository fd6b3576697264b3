/** js/util/math.ts against series in integers of 500 fraction bits, against Math, and against committed bits. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cos, exp, log, pow, sin } from '../../js/util/math.ts'

const F = 500n
const ONE = 1n << F

const view = new DataView(new ArrayBuffer(8))

/** A finite double times 2^F, exactly (|x| ≥ 2^-400 or 0). */
function fixed(x: number): bigint {
  view.setFloat64(0, x)
  const bits = view.getBigUint64(0)
  const exponent = (bits >> 52n) & 2047n
  const fraction = (bits & ((1n << 52n) - 1n)) | (exponent > 0n ? 1n << 52n : 0n)
  const shift = (exponent > 0n ? exponent : 1n) - 1075n + F
  const size = shift >= 0n ? fraction << shift : fraction >> -shift
  return x < 0 ? -size : size
}

function ulp(x: number): bigint {
  view.setFloat64(0, Math.abs(x))
  view.setBigUint64(0, view.getBigUint64(0) + 1n)
  return fixed(view.getFloat64(0)) - fixed(Math.abs(x))
}

/** How far x is from the reference, in units of x's last place. */
function errorInUlps(x: number, reference: bigint): number {
  const off = fixed(x) - reference
  return Number(((off < 0n ? -off : off) * 10000n) / ulp(x)) / 10000
}

const times = (a: bigint, b: bigint) => (a * b) >> F

function exactExp(x: bigint): bigint {
  const small = x >> 40n
  let term = ONE
  let sum = ONE
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = times(term, small) / n
    sum += term
  }
  for (let i = 0; i < 40; i++) sum = times(sum, sum)
  return sum
}

function atanh(x: bigint): bigint {
  const square = times(x, x)
  let sum = 0n
  for (let power = x, n = 1n; power !== 0n && power !== -1n; n += 2n) {
    sum += power / n
    power = times(power, square)
  }
  return sum
}

function exactLog(x: bigint): bigint {
  let k = 0n
  while (x >= 2n * ONE) {
    x >>= 1n
    k++
  }
  while (x < ONE) {
    x <<= 1n
    k--
  }
  return 2n * (k * atanh(ONE / 3n) + atanh(((x - ONE) << F) / (x + ONE)))
}

function arcTangent(n: bigint): bigint {
  let sum = 0n
  for (let power = ONE / n, i = 1n; power !== 0n; i += 2n, power /= n * n) sum += (i & 2n ? -power : power) / i
  return sum
}

const PI = 4n * (4n * arcTangent(5n) - arcTangent(239n))

function exactSin(x: bigint): bigint {
  x %= 2n * PI
  let sum = 0n
  let term = x
  for (let n = 1n; term !== 0n && term !== -1n; n += 2n) {
    sum += term
    term = -times(times(term, x), x) / ((n + 1n) * (n + 2n))
  }
  return sum
}

/** The same numbers on every engine: a 32-bit linear congruential generator (Numerical Recipes). */
function uniform(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 4294967296
  }
}

function worst(error: (next: () => number) => number, count = 200): number {
  const next = uniform(1)
  let most = 0
  for (let i = 0; i < count; i++) most = Math.max(most, error(next))
  return most
}

test('exp is within 1 ulp of the series', () => {
  for (const range of [1e-12, 1, 20, 240]) {
    const most = worst((next) => {
      const x = (next() - 0.5) * 2 * range
      return errorInUlps(exp(x), exactExp(fixed(x)))
    })
    assert.ok(most < 0.8, `exp within ±${range}: ${most} ulp`)
  }
})

test('log is within 0.51 ulp of the series', () => {
  for (const [low, width] of [
    [1e-9, 2e-9],
    [0, 1],
    [1 - 1e-9, 2e-9],
    [0.5, 1.5],
    [1, 1e9],
  ] as const) {
    const most = worst((next) => {
      const x = low + next() * width + 1e-60
      return errorInUlps(log(x), exactLog(fixed(x)))
    })
    assert.ok(most < 0.51, `log from ${low}: ${most} ulp`)
  }
})

test('pow is within 1 ulp of the series, for rope frequencies and far beyond', () => {
  for (const [base, y] of [
    [1, 20],
    [10, 60],
    [1e6, 3],
    [1e-6, 6],
  ] as const) {
    const most = worst((next) => {
      const a = next() * base + 1e-9
      const b = (next() - 0.5) * y
      return errorInUlps(pow(a, b), exactExp((exactLog(fixed(a)) * fixed(b)) >> F))
    }, 100)
    assert.ok(most < 0.8, `pow(0..${base}, ±${y / 2}): ${most} ulp`)
  }
  for (const base of [10000, 500000, 1000000]) {
    for (let i = 0; i < 64; i++) {
      const y = -i / 64
      const error = errorInUlps(pow(base, y), exactExp((exactLog(fixed(base)) * fixed(y)) >> F))
      assert.ok(error < 0.8, `pow(${base}, ${y}): ${error} ulp`)
    }
  }
  for (let i = 0; i <= 40; i++) assert.is(pow(2, i), Number(1n << BigInt(i)))
  for (let i = 0; i <= 22; i++) assert.is(pow(10, i), Number(10n ** BigInt(i)))
})

test('sin and cos are within 1 ulp of the series, also near multiples of π/2 and for huge angles', () => {
  const halfPi = Number(PI >> 440n) / 2 ** 61
  for (const range of [0.8, 10, 1e4, 1e7, 2 ** 31, 1e30, 1e120]) {
    const most = worst((next) => {
      const random = (next() - 0.5) * 2 * range
      const x = next() < 0.3 ? Math.round(random / halfPi) * halfPi || 1 : random
      const sine = errorInUlps(sin(x), exactSin(fixed(x)))
      return Math.max(sine, errorInUlps(cos(x), exactSin(fixed(x) + PI / 2n)))
    }, 100)
    assert.ok(most < 0.9, `sin and cos within ±${range}: ${most} ulp`)
  }
})

test('none is further than 2 ulp from what this engine has', () => {
  const next = uniform(7)
  const near = (name: string, x: number, mine: number, engine: number) => {
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(engine))) - 52)
    assert.ok(Math.abs(mine - engine) <= 2 * unit, `${name}(${x}): ${mine}, Math: ${engine}`)
  }
  for (let i = 0; i < 5000; i++) {
    const x = (next() - 0.5) * 700
    near('exp', x, exp(x), Math.exp(x))
    near('log', Math.abs(x), log(Math.abs(x)), Math.log(Math.abs(x)))
    near('sin', x, sin(x), Math.sin(x))
    near('cos', x, cos(x), Math.cos(x))
  }
})

test('special cases', () => {
  assert.is(exp(0), 1)
  assert.is(exp(-Infinity), 0)
  assert.is(exp(Infinity), Infinity)
  assert.is(exp(709.8), Infinity)
  assert.ok(exp(709.78) < Infinity)
  assert.is(exp(-746), 0)
  assert.is(exp(-745.2), 0)
  assert.is(exp(-744.5), 5e-324)
  assert.is(exp(-708.5), 2.006132305331306e-308)
  assert.is(log(1), 0)
  assert.is(log(0), -Infinity)
  assert.is(log(-0), -Infinity)
  assert.is(log(Infinity), Infinity)
  assert.is(log(5e-324), -744.4400719213812)
  assert.is(pow(0, 2), 0)
  assert.is(pow(0, -2), Infinity)
  assert.is(pow(Infinity, 2), Infinity)
  assert.is(pow(Infinity, -2), 0)
  assert.is(pow(2, Infinity), Infinity)
  assert.is(pow(0.5, Infinity), 0)
  assert.is(pow(2, -Infinity), 0)
  assert.is(pow(2, 1024), Infinity)
  assert.is(pow(2, -1074), 5e-324)
  assert.is(pow(1, Number.NaN), 1)
  assert.is(pow(Number.NaN, 0), 1)
  assert.ok(Object.is(sin(-0), -0))
  assert.is(sin(1e-300), 1e-300)
  assert.is(cos(0), 1)
  assert.is(sin(1e22), -0.8522008497671888)
  assert.is(cos(2 ** 1023), -0.826369834614148)
  for (const value of [exp(NaN), log(NaN), log(-1), pow(NaN, 1), pow(2, NaN), pow(-2, 2), sin(NaN), cos(NaN)]) {
    assert.ok(Number.isNaN(value))
  }
  for (const value of [sin(Infinity), sin(-Infinity), cos(Infinity), cos(-Infinity)]) assert.ok(Number.isNaN(value))
})

test('the bits are those committed, whatever the engine', () => {
  const next = uniform(3)
  const results: number[] = []
  for (let i = 0; i < 20000; i++) {
    const x = next()
    const y = next()
    results.push(exp((x - 0.5) * 1480), exp((x - 0.5) * y), log(x / (y + 1e-9) + 1e-300), log(1 + x * y * 1e-6))
    results.push(pow(x * 1e6 + 1e-9, (y - 0.5) * 40), pow(500000, -x), sin((x - 0.5) * 100), cos((x - 0.5) * 1e6))
    results.push(sin((y + 1) * 1e15), cos(i))
  }
  const bytes = new DataView(new ArrayBuffer(results.length * 8))
  results.forEach((value, i) => {
    bytes.setFloat64(i * 8, value)
  })
  assert.is(
    bytesToHex(sha256(new Uint8Array(bytes.buffer))),
    '94c2f6a4e09e6947cca3f4614166304fd37199d44132e7180f779d606b985adc',
  )
})

test.run()
