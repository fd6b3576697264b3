/** The texts of a vocabulary's tokens as a tree of bytes, in one pass's order: a node, then what is below it. */

export interface Trie {
  /** Nodes without the root. Node i is at depth[i] (1 for a first byte), reached by byte[i]; what is below it ends before end[i]. */
  readonly length: number
  readonly byte: Uint8Array
  readonly depth: Uint16Array
  readonly end: Int32Array
  /** ids[firstId[i]] … before ids[firstId[i + 1]]: the tokens whose text ends at node i. */
  readonly firstId: Int32Array
  readonly ids: Int32Array
}

/** A token's text in bytes, one character a byte, and its id. */
export interface TokenText {
  readonly text: string
  readonly id: number
}

export function buildTrie(tokens: readonly TokenText[]): Trie {
  const sorted = [...tokens].sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id))
  let length = 0
  let previous = ''
  for (const { text } of sorted) {
    length += text.length - shared(previous, text)
    previous = text
  }
  const trie = {
    length,
    byte: new Uint8Array(length),
    depth: new Uint16Array(length),
    end: new Int32Array(length),
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
