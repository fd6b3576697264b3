/**
 * How soon text[start, middle) and text[middle, end) merge: the lowest first, the leftmost of equals first. Infinity
 * where the two do not merge.
 */
export type Priority = (start: number, middle: number, end: number) => number

/**
 * Merges neighbouring symbols of a text, best pair first, until no pair is left: the core of both tokenizers. Symbols
 * are a doubly linked list in arrays, candidate pairs a binary heap, so that n symbols take n log n steps.
 */
export class Merger {
  // Symbol i starts at starts[i] and is lengths[i] long; 0 once it has merged into the one before it.
  private readonly starts: Int32Array
  private readonly lengths: Int32Array
  private readonly previous: Int32Array
  private readonly next: Int32Array
  // Pair p joins symbols lefts[p] and rights[p], together sizes[p] long when it was found.
  private readonly priorities: Float64Array
  private readonly lefts: Int32Array
  private readonly rights: Int32Array
  private readonly sizes: Int32Array
  private pairs = 0
  private readonly heap: Int32Array
  private heapLength = 0

  /** For texts of at most `capacity` symbols. */
  constructor(readonly capacity: number) {
    this.starts = new Int32Array(capacity)
    this.lengths = new Int32Array(capacity)
    this.previous = new Int32Array(capacity)
    this.next = new Int32Array(capacity)
    // n - 1 pairs at first, and at most two more for each of at most n - 1 merges.
    const pairs = 3 * capacity
    this.priorities = new Float64Array(pairs)
    this.lefts = new Int32Array(pairs)
    this.rights = new Int32Array(pairs)
    this.sizes = new Int32Array(pairs)
    this.heap = new Int32Array(pairs)
  }

  /**
   * Merges the `count` symbols that start at `startOf(i)`, the last of which ends at `end`, and calls `symbol` with the
   * bounds of each that is left, in order.
   */
  merge(
    count: number,
    startOf: (i: number) => number,
    end: number,
    priority: Priority,
    symbol: (start: number, end: number) => void,
  ): void {
    this.pairs = 0
    this.heapLength = 0
    for (let i = 0; i < count; i++) {
      this.starts[i] = startOf(i)
      this.lengths[i] = (i + 1 < count ? startOf(i + 1) : end) - this.starts[i]!
      this.previous[i] = i - 1
      this.next[i] = i + 1 < count ? i + 1 : -1
    }
    for (let i = 1; i < count; i++) this.propose(i - 1, i, priority)
    while (this.heapLength > 0) {
      const pair = this.pop()
      const left = this.lefts[pair]!
      const right = this.rights[pair]!
      const size = this.lengths[left]! + this.lengths[right]!
      if (this.lengths[left] === 0 || this.lengths[right] === 0 || size !== this.sizes[pair]) continue
      this.lengths[left] = size
      this.lengths[right] = 0
      const after = this.next[right]!
      this.next[left] = after
      if (after >= 0) this.previous[after] = left
      this.propose(this.previous[left]!, left, priority)
      this.propose(left, after, priority)
    }
    for (let i = count > 0 ? 0 : -1; i >= 0; i = this.next[i]!) {
      symbol(this.starts[i]!, this.starts[i]! + this.lengths[i]!)
    }
  }

  private propose(left: number, right: number, priority: Priority): void {
    if (left < 0 || right < 0) return
    const start = this.starts[left]!
    const middle = this.starts[right]!
    const end = middle + this.lengths[right]!
    const value = priority(start, middle, end)
    if (value === Number.POSITIVE_INFINITY) return
    const pair = this.pairs++
    this.priorities[pair] = value
    this.lefts[pair] = left
    this.rights[pair] = right
    this.sizes[pair] = end - start
    this.push(pair)
  }

  private before(a: number, b: number): boolean {
    const difference = this.priorities[a]! - this.priorities[b]!
    return difference < 0 || (difference === 0 && this.lefts[a]! < this.lefts[b]!)
  }

  private push(pair: number): void {
    const heap = this.heap
    let at = this.heapLength++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.before(pair, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = pair
  }

  private pop(): number {
    const heap = this.heap
    const top = heap[0]!
    const last = heap[--this.heapLength]!
    const length = this.heapLength
    let at = 0
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && this.before(heap[child + 1]!, heap[child]!)) child++
      if (!this.before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top
  }
}

const SMALL = 256

/** One small merger that is kept, and a new one of the right size for each longer text. */
export function mergers(): (count: number) => Merger {
  const small = new Merger(SMALL)
  return (count) => (count <= SMALL ? small : new Merger(count))
}
