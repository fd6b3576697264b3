/** Random grammars in GBNF, and a slow matcher of their sentences that has nothing of js/grammar. */
import type { Draws } from './random-draws.ts'

type Range = readonly [from: number, to: number]
type Node =
  | { kind: 'text'; text: string }
  | { kind: 'class'; ranges: readonly Range[]; negated: boolean }
  | { kind: 'any' }
  | { kind: 'sequence' | 'choice'; parts: readonly Node[] }
  | { kind: 'repeat'; part: Node; min: number; max: number }
  | { kind: 'rule'; index: number }

export interface RandomGrammar {
  gbnf: string
  matches(text: string): boolean
}

const TEXTS = ['a', 'ab', '"', '\\', 'é', '🦙', '\n', '{', '}', '[', '] ', 'the', 'ß-', '\u2028', '0', ', ']
const RANGES: readonly Range[] = [
  [0x61, 0x66],
  [0x41, 0x5a],
  [0x30, 0x39],
  [0x20, 0x20],
  [0x5d, 0x5e],
  [0x2d, 0x2d],
  [0xe0, 0xff],
  [0x400, 0x44f],
  [0x7ff, 0x801],
  [0xd000, 0xe001],
  [0xfff0, 0x1000f],
  [0x1f600, 0x1f64f],
]
const MOST_RULES = 4
const DEEPEST = 4

export function randomGbnf({ count, pick, often }: Draws): RandomGrammar {
  const ruleCount = count(1, MOST_RULES)
  /** `rule`: what it stands in. Rules refer to later ones, and to others where some text comes before. */
  const nodeOf = (rule: number, depth: number): Node => {
    const kinds = ['sequence', 'choice', 'repeat', 'repeat', 'nested', 'rule', ...(depth < DEEPEST ? ['leaf'] : [])]
    const kind = depth > 0 ? pick(kinds) : 'leaf'
    const inner = () => nodeOf(rule, depth - 1)
    const some = (most: number) => Array.from({ length: count(1, most) }, inner)
    if (kind === 'sequence') return { kind, parts: some(3) }
    if (kind === 'choice') return { kind, parts: some(4) }
    if (kind === 'repeat') {
      const min = pick([0, 0, 1, 1, 2, 3])
      return { kind, part: inner(), min, max: pick([Number.POSITIVE_INFINITY, min + count(0, 3), min || 1]) }
    }
    if (kind === 'rule' && rule + 1 < ruleCount) return { kind, index: count(rule + 1, ruleCount - 1) }
    if (kind === 'nested') {
      const again: Node = { kind: 'rule', index: count(0, ruleCount - 1) }
      const parts = [textNode(), again, textNode()]
      return { kind: 'repeat', part: { kind: 'sequence', parts }, min: 0, max: 1 }
    }
    return pick([textNode, classNode, classNode, () => ({ kind: 'any' }) as const])()
  }
  const textNode = (): Node => ({ kind: 'text', text: pick(TEXTS) })
  const classNode = (): Node => {
    const ranges = Array.from({ length: count(1, 3) }, () => pick(RANGES))
    return { kind: 'class', ranges, negated: often(0.25) }
  }
  const rules = Array.from({ length: ruleCount }, (_, i) => nodeOf(i, DEEPEST))
  const gbnf = rules.map((node, i) => `${nameOf(i)} ::= ${written(node, often)}`).join('\n')
  return { gbnf, matches: (text) => matches(rules, text) }
}

const nameOf = (index: number): string => (index === 0 ? 'root' : `rule-${index}`)

function written(node: Node, often: Draws['often']): string {
  const inner = (part: Node) => `(${written(part, often)})`
  switch (node.kind) {
    case 'text':
      return `"${Array.from(node.text, (char) => character(char.codePointAt(0)!, '"\\', often)).join('')}"`
    case 'class': {
      const one = (code: number) => character(code, '[]\\-^', often)
      const ranges = node.ranges.map(([from, to]) => (from === to ? one(from) : `${one(from)}-${one(to)}`))
      return `[${node.negated ? '^' : ''}${ranges.join('')}]`
    }
    case 'any':
      return '.'
    case 'sequence':
      return node.parts.map(inner).join(' ')
    case 'choice':
      return node.parts.map(inner).join(' | ')
    case 'rule':
      return nameOf(node.index)
    case 'repeat':
      return inner(node.part) + quantifier(node.min, node.max, often)
  }
}

function quantifier(min: number, max: number, often: Draws['often']): string {
  const short = new Map([
    ['0,Infinity', '*'],
    ['1,Infinity', '+'],
    ['0,1', '?'],
  ]).get(`${min},${max}`)
  if (short && often(0.7)) return short
  if (min === max) return `{${min}}`
  return max === Number.POSITIVE_INFINITY ? `{${min},}` : `{${min},${max}}`
}

/** As it is, or escaped: what is `special` is always. */
function character(code: number, special: string, often: Draws['often']): string {
  const char = String.fromCodePoint(code)
  const isPlain = code >= 0x20 && !special.includes(char) && (code < 0xd800 || code > 0xdfff)
  if (isPlain && often(0.7)) return char
  const hex = code.toString(16)
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

/** Follows all ways at once: from a set of places in the text to those where a node can end. */
function matches(rules: readonly Node[], text: string): boolean {
  const codes = Array.from(text, (char) => char.codePointAt(0)!)
  const known = new Map<string, ReadonlySet<number>>()
  const endsOfRule = (index: number, at: number): ReadonlySet<number> => {
    const key = `${index} ${at}`
    const ends = known.get(key) ?? endsOf(rules[index]!, at)
    known.set(key, ends)
    return ends
  }
  const endsOfAll = (node: Node, places: Iterable<number>) => {
    const ends = new Set<number>()
    for (const at of places) for (const end of endsOf(node, at)) ends.add(end)
    return ends
  }
  const endsOf = (node: Node, at: number): ReadonlySet<number> => {
    const code = codes[at]
    switch (node.kind) {
      case 'text': {
        const wanted = Array.from(node.text, (char) => char.codePointAt(0))
        return new Set(wanted.every((one, i) => one === codes[at + i]) ? [at + wanted.length] : [])
      }
      case 'class': {
        if (code === undefined) return new Set()
        const isIn = node.ranges.some(([from, to]) => code >= from && code <= to)
        return new Set(isIn !== node.negated ? [at + 1] : [])
      }
      case 'any':
        return new Set(code === undefined ? [] : [at + 1])
      case 'rule':
        return endsOfRule(node.index, at)
      case 'choice':
        return new Set(node.parts.flatMap((part) => [...endsOf(part, at)]))
      case 'sequence':
        return node.parts.reduce((places, part) => endsOfAll(part, places), new Set([at]))
      case 'repeat': {
        let places = new Set([at])
        const ends = new Set(node.min === 0 ? [at] : [])
        for (let i = 1; i <= node.max && places.size > 0; i++) {
          places = endsOfAll(node.part, places)
          if (i < node.min) continue
          // Places that were reached before lead nowhere new.
          for (const end of places) if (ends.has(end)) places.delete(end)
          for (const end of places) ends.add(end)
        }
        return ends
      }
    }
  }
  return endsOfRule(0, 0).has(codes.length)
}
