/**
 * xoshiro128**: 32-bit words, period 2^128 − 1. D. Blackman, S. Vigna, Scrambled Linear Pseudorandom Number Generators,
 * ACM TOMS 47 (2021); https://prng.di.unimi.it. Seeded, as its authors advise, from SplitMix64.
 */
export class Random {
  private readonly state = new Uint32Array(4)

  /** @param seed a 32-bit unsigned integer, or the four words of a state (not all zero) */
  constructor(seed: number | readonly [number, number, number, number]) {
    if (typeof seed === 'number') this.seed(seed)
    else this.state.set(seed)
  }

  /** Starts over: two outputs of SplitMix64 from `seed`, low words first, become the state. */
  seed(seed: number): void {
    let counter = BigInt(seed >>> 0)
    for (let i = 0; i < 4; i += 2) {
      counter = BigInt.asUintN(64, counter + 0x9e3779b97f4a7c15n)
      let z = counter
      z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
      z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn)
      z ^= z >> 31n
      this.state[i] = Number(z & 0xffffffffn)
      this.state[i + 1] = Number(z >> 32n)
    }
  }

  /** The next word, 0..2^32 − 1. */
  next(): number {
    const s = this.state
    const s1 = s[1]!
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0
    s[2]! ^= s[0]!
    s[3]! ^= s1
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= s1 << 9
    s[3] = rotateLeft(s[3]!, 11)
    return result
  }

  /** A number in [0, 1) of 53 random bits, from two words. */
  uniform(): number {
    const high = this.next() >>> 5
    const low = this.next() >>> 6
    return (high * 67108864 + low) / 9007199254740992
  }
}

function rotateLeft(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n))
}

/** A seed nobody chose: 32 bits from the platform's generator. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!
}

/** The seed of the i-th of several answers, of which the first has `seed`. */
export function seedOfAnswer(seed: number, i: number): number {
  return (seed + i) % 4294967296
}
