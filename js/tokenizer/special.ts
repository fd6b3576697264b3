/** Special tokens of a vocabulary, to be found in a text. */
export interface SpecialToken {
  readonly id: number
  readonly text: string
  /** White space after the token belongs to it. */
  readonly rstrip: boolean
}

/** A piece of a text: text as it is, or the id of a special token. */
export type Fragment = string | number

interface Match {
  readonly id: number
  readonly start: number
  /** Past the token and the white space that belongs to it. */
  readonly end: number
}

const UNITS = 0x10000
/** C's isspace. */
const isSpace = (unit: number) => unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)

/**
 * Finds special tokens in texts: where two overlap, the longer one wins, then the one to the left. A trie over UTF-16
 * units finds the longest at each place, so that the time grows with the text and not with the number of tokens.
 */
export class SpecialTokens {
  /** The node after `node` and a unit, by node · 65536 + unit; the root is 0. */
  private readonly edges = new Map<number, number>()
  /** The token that ends at a node. */
  private readonly ends: (SpecialToken | undefined)[] = [undefined]

  constructor(tokens: Iterable<SpecialToken>) {
    for (const token of tokens) {
      let node = 0
      for (let i = 0; i < token.text.length; i++) {
        const edge = node * UNITS + token.text.charCodeAt(i)
        let next = this.edges.get(edge)
        if (next === undefined) {
          next = this.ends.push(undefined) - 1
          this.edges.set(edge, next)
        }
        node = next
      }
      if (node > 0) this.ends[node] ??= token
    }
  }

  /** The text cut at its special tokens; empty pieces are left out. */
  split(text: string): Fragment[] {
    const matches = this.edges.size > 0 ? this.find(text) : []
    const fragments: Fragment[] = []
    let at = 0
    for (const { id, start, end } of matches) {
      if (start > at) fragments.push(text.slice(at, start))
      fragments.push(id)
      at = end
    }
    if (at < text.length) fragments.push(text.slice(at))
    return fragments
  }

  /** The longest token that starts at `start` and is at most `most` long. */
  private longest(text: string, start: number, most: number): SpecialToken | undefined {
    let found: SpecialToken | undefined
    let node = 0
    const end = Math.min(text.length, start + most)
    for (let i = start; i < end; i++) {
      const next = this.edges.get(node * UNITS + text.charCodeAt(i))
      if (next === undefined) break
      node = next
      found = this.ends[node] ?? found
    }
    return found
  }

  private find(text: string): Match[] {
    // Places where a token may start, by its length; a place moves to a shorter length when the longer one is taken.
    const byLength: number[][] = []
    const propose = (start: number, most: number) => {
      const token = this.longest(text, start, most)
      if (!token) return
      const places = byLength[token.text.length]
      if (places) places.push(start)
      else byLength[token.text.length] = [start]
    }
    for (let start = 0; start < text.length; start++) propose(start, Number.POSITIVE_INFINITY)
    if (byLength.length === 0) return []
    const taken = new Uint8Array(text.length)
    const matches: Match[] = []
    for (let length = byLength.length - 1; length > 0; length--) {
      const starts = byLength[length]
      if (!starts) continue
      starts.sort((a, b) => a - b)
      for (const start of starts) {
        // What is taken is at least this long: it covers an end of the token if it touches it at all.
        if (taken[start]) continue
        if (taken[start + length - 1]) {
          propose(start, length - 1)
          continue
        }
        const token = this.longest(text, start, length)!
        let end = start + length
        if (token.rstrip) while (end < text.length && !taken[end] && isSpace(text.charCodeAt(end))) end++
        taken.fill(1, start, end)
        matches.push({ id: token.id, start, end })
      }
    }
    return matches.sort((a, b) => a.start - b.start)
  }
}
