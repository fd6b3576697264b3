/** The texts of a vocabulary's tokens as a tree of bytes, in one pass's order: a node, then what is below it. */

export interface Trie {
  /** Nodes without the root. Node i is at depth[i] (1 for a first byte), reached by byte[i]; what is below it ends before end[i]. */
  readonly length: number
  readonly deepest: number
  readonly byte: Uint8Array
  readonly depth: Uint16Array
  readonly end: Int32Array
  /** Which bytes stand below node i: bit g for those of group g, see GROUPS. */
  readonly below: Uint32Array
  /** ids[firstId[i]] … before ids[firstId[i + 1]]: the tokens whose text ends at node i. */
  readonly firstId: Int32Array
  readonly ids: Int32Array
}

/** 32 groups of bytes: each small letter, digits, capitals, what strings of JSON escape, other characters, parts of characters. */
export const GROUPS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte)
  if (/[a-z]/.test(char)) return byte - 0x61
  if (byte >= 0x80) return byte < 0xc0 ? 30 : 31
  return /\d/.test(char) ? 26 : /[A-Z]/.test(char) ? 27 : JSON.stringify(char).length > 3 ? 28 : 29
})

/** A token's text in bytes, one character a byte, and its id. */
export interface TokenText {
  readonly text: string
  readonly id: number
}

export function buildTrie(tokens: readonly TokenText[]): Trie {
  const sorted = [...tokens].sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id))
  let length = 0
  let deepest = 0
  let previous = ''
  for (const { text } of sorted) {
    length += text.length - shared(previous, text)
    deepest = Math.max(deepest, text.length)
    previous = text
  }
  const trie = {
    length,
    deepest,
    byte: new Uint8Array(length),
    depth: new Uint16Array(length),
    end: new Int32Array(length),
    below: new Uint32Array(length),
    firstId: new Int32Array(length + 1),
    ids: Int32Array.from(sorted, ({ id }) => id),
  }
  let node = 0
  previous = ''
  /** The node of each byte of the text before. */
  const path: number[] = []
  for (const [index, { text }] of sorted.entries()) {
    const common = shared(previous, text)
    for (let depth = common; depth < path.length; depth++) trie.end[path[depth]!] = node
    path.length = common
    for (let depth = common; depth < text.length; depth++) {
      trie.byte[node] = text.charCodeAt(depth)
      trie.depth[node] = depth + 1
      trie.firstId[node] = index
      path.push(node++)
    }
    previous = text
    // Tokens that end above the nodes to come: these begin after this one.
    trie.firstId[node] = index + 1
  }
  for (const open of path) trie.end[open] = node
  for (node = length - 1; node >= 0; node--) {
    let below = 0
    for (let child = node + 1; child < trie.end[node]!; child = trie.end[child]!) {
      below |= trie.below[child]! | (1 << GROUPS[trie.byte[child]!]!)
    }
    trie.below[node] = below
  }
  return trie
}

/** The node of a text; undefined where no token begins with it. */
export function nodeOf(trie: Trie, text: readonly number[]): number | undefined {
  let node: number | undefined = -1
  for (const byte of text) {
    node = childOf(trie, node, byte)
    if (node === undefined) return undefined
  }
  return node
}

/** The node that a byte leads to from another, -1 for the root; undefined where there is none. */
export function childOf({ length, byte, end }: Trie, node: number, next: number): number | undefined {
  const last = node < 0 ? length : end[node]!
  let child = node + 1
  while (child < last && byte[child] !== next) child = end[child]!
  return child < last ? child : undefined
}

/** How many nodes are below another. */
export function countBelow({ end }: Trie, node: number): number {
  return end[node]! - node - 1
}

function shared(a: string, b: string): number {
  const most = Math.min(a.length, b.length)
  let count = 0
  while (count < most && a.charCodeAt(count) === b.charCodeAt(count)) count++
  return count
}
