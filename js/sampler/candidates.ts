/**
 * The tokens still in the running and their logits. Arithmetic is llama.cpp's: every logit, probability and sum is
 * rounded to float32 (Math.fround), in the order the candidates stand, so that a cut falls on the same token.
 */
import { ArgumentError, NumericError } from '../errors.ts'
import { hasBit } from '../util/bits.ts'
import { exp } from '../util/math.ts'

/** Ids below this fit a sort key. */
const MAX_VOCABULARY = 2097152

/** @throws ArgumentError INVALID_VOCABULARY_SIZE */
export function checkVocabularySize(size: number): void {
  if (Number.isInteger(size) && size >= 1 && size <= MAX_VOCABULARY) return
  throw new ArgumentError(
    'INVALID_VOCABULARY_SIZE',
    `A vocabulary has 1 to ${MAX_VOCABULARY} tokens, not ${size}.`,
    size,
  )
}

/**
 * The id of the largest logit, the lowest among equals.
 * @throws NumericError where a logit is not finite
 */
export function bestOf(logits: Float32Array): number {
  let best = 0
  let max = logits[0]!
  // Adds up to 0 for finite logits only.
  let sum = 0
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!
    sum += logit - logit
    if (logit > max) {
      max = logit
      best = i
    }
  }
  if (sum !== 0) throw notFinite(logits)
  return best
}

function notFinite(logits: Float32Array): NumericError {
  const i = logits.findIndex((logit) => !Number.isFinite(logit))
  const message = `The logit of token ${i} is ${logits[i]}: the model's weights or its computation are broken.`
  return new NumericError('LOGITS_NOT_FINITE', message, logits[i])
}

export class Candidates {
  /** [size] token ids, and their logits beside them. */
  readonly ids: Int32Array
  readonly logits: Float32Array
  private readonly bits: Uint32Array
  size = 0
  /** Most probable first, lower id first among equals. */
  sorted = false
  /** The candidate at i is the token i: nothing was moved or dropped yet. */
  dense = false
  private max = 0
  private sum = 0

  /** Throws ArgumentError unless the size is 1..2^21. */
  constructor(vocabularySize: number) {
    checkVocabularySize(vocabularySize)
    this.ids = new Int32Array(vocabularySize)
    this.logits = new Float32Array(vocabularySize)
    this.bits = new Uint32Array(this.logits.buffer)
  }

  /** Gives the logit -Infinity to all that are not in a mask: bit id & 31 of word id >> 5. */
  restrict(mask: Uint32Array): void {
    for (let i = 0; i < this.size; i++) {
      const id = this.ids[i]!
      if (!hasBit(mask, id)) this.logits[i] = -Infinity
    }
  }

  /** Takes a copy of the logits [vocabularySize]. NumericError where one is not finite. */
  load(logits: Float32Array): void {
    const n = this.ids.length
    if (logits.length !== n) {
      throw new ArgumentError('LOGITS_LENGTH', `There are ${logits.length} logits for ${n} tokens.`, logits.length)
    }
    let sum = 0
    for (let i = 0; i < n; i++) sum += logits[i]! - logits[i]!
    if (sum !== 0) throw notFinite(logits)
    this.logits.set(logits)
    if (!this.dense) for (let i = 0; i < n; i++) this.ids[i] = i
    this.dense = true
    this.sorted = false
    this.size = n
  }

  /** Where a token stands; -1 where it is no candidate. */
  indexOf(id: number): number {
    if (this.dense) return id < this.size ? id : -1
    return this.ids.subarray(0, this.size).indexOf(id)
  }

  /** The index of the largest logit, the first among equals as they stand. Throws if no token is left. */
  best(): number {
    const { logits, size } = this
    let best = 0
    let max = logits[0]!
    for (let i = 1; i < size; i++) {
      const logit = logits[i]!
      if (logit > max) {
        max = logit
        best = i
      }
    }
    if (max === -Infinity) {
      throw new ArgumentError('NO_TOKEN_LEFT', 'Every token is banned: allow some in logitBias.', max)
    }
    if (max - max !== 0) {
      throw new NumericError('LOGITS_NOT_FINITE', `A logit became ${max}: use smaller penalties and biases.`, max)
    }
    return best
  }

  /** Prepares probability(): the largest logit and the float32 sum of exp(logit − largest). */
  softmax(): void {
    const max = this.logits[this.sorted ? 0 : this.best()]!
    let sum = 0
    for (let i = 0; i < this.size; i++) sum = Math.fround(sum + expf(Math.fround(this.logits[i]! - max)))
    this.max = max
    this.sum = sum
  }

  /** The probability of a logit under the last softmax(). */
  probability(logit: number): number {
    return Math.fround(expf(Math.fround(logit - this.max)) / this.sum)
  }

  /**
   * The k best candidates as sort keys, the worst first. A key is an integer of 53 bits: the logit's bits mapped to
   * their order in the upper 32, the id counted down in the lower 21. So comparing keys compares logits, then ids, and
   * the engine's own sort of Float64Array does it.
   */
  keysOfBest(k: number): Float64Array {
    const { logits, size } = this
    if (k * 8 > size) {
      const keys = new Float64Array(size)
      for (let i = 0; i < size; i++) keys[i] = this.key(i)
      keys.sort()
      return k < size ? keys.subarray(size - k) : keys
    }
    // A heap of the k best so far, the worst of them on top; nearly all others fail one comparison of logits.
    const heap = new Float64Array(k)
    for (let i = 0; i < k; i++) heap[i] = this.key(i)
    for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap, i)
    let least = logitOfKey(heap[0]!)
    for (let i = k; i < size; i++) {
      if (logits[i]! < least) continue
      const key = this.key(i)
      if (key <= heap[0]!) continue
      heap[0] = key
      sink(heap, 0)
      least = logitOfKey(heap[0]!)
    }
    return heap.sort()
  }

  /** The logits of keys, the best first. */
  logitsOfKeys(keys: Float64Array): Float32Array {
    const logits = new Float32Array(keys.length)
    for (let i = 0; i < keys.length; i++) logits[i] = logitOfKey(keys[keys.length - 1 - i]!)
    return logits
  }

  /** Keeps the `count` best of keys that keysOfBest gave. */
  keep(keys: Float64Array, count: number): void {
    for (let i = 0; i < count; i++) {
      const key = keys[keys.length - 1 - i]!
      this.logits[i] = logitOfKey(key)
      this.ids[i] = idOfKey(key)
    }
    this.size = count
    this.sorted = true
    this.dense = false
  }

  sort(): void {
    if (!this.sorted) this.keep(this.keysOfBest(this.size), this.size)
  }

  private key(i: number): number {
    const bits = this.bits[i]!
    // -0 equals 0, whose bits come next above it.
    const order = bits < 0x80000000 ? bits + 0x80000000 : bits === 0x80000000 ? bits : 0xffffffff - bits
    return order * MAX_VOCABULARY + (MAX_VOCABULARY - 1 - this.ids[i]!)
  }
}

const float32 = new Float32Array(1)
const uint32 = new Uint32Array(float32.buffer)

function logitOfKey(key: number): number {
  const order = Math.floor(key / MAX_VOCABULARY)
  uint32[0] = order >= 0x80000000 ? order - 0x80000000 : 0xffffffff - order
  return float32[0]!
}

function idOfKey(key: number): number {
  return MAX_VOCABULARY - 1 - (key - Math.floor(key / MAX_VOCABULARY) * MAX_VOCABULARY)
}

function sink(heap: Float64Array, i: number): void {
  const key = heap[i]!
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= key) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = key
}

/** e^x rounded to float32, x ≤ 0. */
export function expf(x: number): number {
  // e^-104 is less than half the smallest float32.
  return x < -104 ? 0 : Math.fround(exp(x))
}
