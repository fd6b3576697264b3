/** Grammars that ask for too much at once: each is refused, or followed in bounded time and memory. */
import type { GrammarSource } from '../js/grammar/source.ts'

const deep = (depth: number, of: (inner: unknown) => unknown, last: unknown): unknown =>
  depth === 0 ? last : of(deep(depth - 1, of, last))
export const HOSTILE: Record<string, GrammarSource> = {
  'nested quantifiers': { regex: '(((a{1,50}){1,50}){1,50}){1,50}' },
  'a union that doubles': { regex: '(a|b)*a(a|b){60}' },
  'many look-aheads': { regex: `${Array.from({ length: 12 }, (_, i) => `(?=.*${'abcdefghijkl'[i]})`).join('')}.*` },
  'a window of guesses': { regex: '.*a.{40}' },
  'stars of stars': { regex: '((a*)*b?)*c' },
  'gaps of gaps': { regex: '(.*[ab].*c){20}d' },
  'classes that overlap': {
    regex: `(${Array.from({ length: 200 }, (_, i) => `[^${String.fromCharCode(97 + (i % 26))}]{${i + 1}}`).join('|')})x`,
  },
  'a long pattern': { regex: '(abc|abd|x[a-z]*y)'.repeat(400) },
  'deep groups': { regex: `${'('.repeat(5000)}a${')'.repeat(5000)}` },
  'deep objects': { jsonSchema: deep(400, (a) => ({ type: 'object', properties: { a }, required: ['a'] }), true) },
  'arrays in arrays': { jsonSchema: deep(3000, (items) => ({ type: 'array', items, minItems: 1 }), true) },
  'a value in lists': { jsonSchema: { const: deep(3000, (inner) => [inner], 1) } },
  'many objects': { jsonSchema: { enum: Array.from({ length: 2000 }, (_, i) => ({ a: i, b: [i] })) } },
  'large multiples': { jsonSchema: { type: 'integer', multipleOf: 99_991 } },
  'unions of unions': {
    jsonSchema: {
      allOf: Array.from({ length: 12 }, (_, i) => ({
        anyOf: [{ minLength: i }, { maxLength: 30 - i }, { type: 'null' }],
      })),
    },
  },
  'long strings': { jsonSchema: { type: 'string', minLength: 100_000, maxLength: 1_000_000 } },
  'long arrays': { jsonSchema: { type: 'array', items: { type: 'integer' }, minItems: 10_000, maxItems: 100_000 } },
  'many values': { jsonSchema: { enum: Array.from({ length: 20_000 }, (_, i) => `value ${i * 7919}`) } },
  'laughs by the billion': {
    jsonSchema: {
      $ref: '#/$defs/d0',
      $defs: Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [
          `d${i}`,
          i < 39 ? { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] } : { minLength: 2 },
        ]),
      ),
    },
  },
  'choices of choices': {
    jsonSchema: {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 24 }, (_, i) => [`p${i}`, { oneOf: [{ type: 'integer' }, { multipleOf: i + 1 }] }]),
      ),
    },
  },
  'patterns of names': {
    jsonSchema: {
      type: 'object',
      patternProperties: Object.fromEntries(
        Array.from({ length: 20 }, (_, i) => [`.*${'abcdefghij'[i % 10]}.{${i}}`, { type: 'integer', minimum: i }]),
      ),
    },
  },
  'many properties': {
    jsonSchema: {
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`p${i}`, {}])),
    },
  },
  'ambiguous rules': { gbnf: 'root ::= a | b\na ::= "x" root | "x"\nb ::= "x" root "x" | "x"' },
  'rules to the left': { gbnf: 'root ::= root root | "a" | "aa"' },
  'rules that copy themselves': {
    gbnf: Array.from(
      { length: 60 },
      (_, i) => `${i === 0 ? 'root' : `r${i}`} ::= ${i < 59 ? `r${i + 1} r${i + 1}` : '"a"?'}`,
    ).join('\n'),
  },
  'repeats of repeats': { gbnf: 'root ::= a{1,1000}\na ::= b{1,1000}\nb ::= [a-z]{1,1000} | b' },
  'a chain of rules': {
    gbnf: Array.from(
      { length: 10_000 },
      (_, i) => `${i ? `r${i}` : 'root'} ::= ${i < 9999 ? `r${i + 1} | "b" root` : '"a"'}`,
    ).join('\n'),
  },
  'a long row of choices': { gbnf: `root ::= ${'("a" | "b") '.repeat(20_000)}` },
  'deep rules': { gbnf: `root ::= ${'('.repeat(2000)}"a"${')'.repeat(2000)}` },
}
