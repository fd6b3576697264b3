/** Grammars by their calls: states, masks against every token tried, errors, and sources that are meant to be too much. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArgumentError, GrammarError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { compileGrammar, type Grammar, type GrammarSource, type GrammarState } from '../../js/grammar/grammar.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { createTokenizer } from '../../js/tokenizer/tokenizer.ts'
import { HOSTILE } from '../hostile-grammars.ts'

const { metadata } = await readGguf(bytesSource(readFileSync('models/stories260K.gguf'), 'stories'))
const tokenizer = createTokenizer(metadata)
const SIZE = tokenizer.vocabularySize

/** The ids of a text that does not begin one: without SentencePiece's space before it. */
function idsOf(text: string): number[] {
  const mark = tokenizer.tokenize('\u0001', { bos: false }).length
  return tokenizer.tokenize(`\u0001${text}`, { bos: false }).slice(mark)
}

function compile(source: GrammarSource): Grammar {
  return compileGrammar(source, tokenizer)
}

function accepts(source: GrammarSource, text: string): boolean {
  return compile(source).accepts(idsOf(text))
}

function refused(source: GrammarSource, code: string, words: RegExp): void {
  try {
    compile(source)
  } catch (error) {
    assert.instance(error, GrammarError)
    assert.is((error as GrammarError).code, code)
    assert.match((error as GrammarError).message, words)
    return
  }
  assert.unreachable(`${JSON.stringify(source)} is refused`)
}

function allowed(state: GrammarState): number[] {
  const mask = state.mask()
  assert.is(mask.length, Math.ceil(SIZE / 32))
  return Array.from({ length: SIZE }, (_, id) => id).filter((id) => (mask[id >> 5]! >>> (id & 31)) & 1)
}

/** Numbers from 0 to below 1, the same ones for a seed. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 0x100000000
  }
}

const SCHEMAS: Record<string, unknown> = {
  person: {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 8 },
      age: { type: 'integer', minimum: 0, maximum: 120 },
      tags: { type: 'array', items: { enum: ['a', 'b', 3, null] }, uniqueItems: true, minItems: 1 },
    },
    required: ['name', 'age'],
    additionalProperties: false,
  },
  open: {
    type: 'object',
    properties: { ab: { const: 1 } },
    additionalProperties: { type: 'boolean' },
    maxProperties: 3,
  },
  patterns: {
    patternProperties: { '^a': { type: 'null' }, b$: { type: 'boolean' } },
    type: 'object',
    maxProperties: 2,
  },
  tree: { $ref: '#/$defs/node', $defs: { node: { type: 'array', items: { $ref: '#/$defs/node' }, maxItems: 2 } } },
  text: { type: 'string', pattern: '^(ab|c)+d?$', maxLength: 5 },
  number: { type: 'number', minimum: -1.5, exclusiveMaximum: 12.25 },
  multiple: { type: 'number', multipleOf: 0.25, minimum: 0, maximum: 9 },
  choice: {
    oneOf: [
      { type: 'integer', multipleOf: 3 },
      { type: 'integer', multipleOf: 5 },
    ],
    minimum: 0,
    maximum: 99,
  },
  condition: {
    type: 'object',
    properties: { kind: { enum: ['x', 'y'] }, v: {} },
    required: ['kind', 'v'],
    additionalProperties: false,
    if: { properties: { kind: { const: 'x' } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: { v: { type: 'null' } } },
    else: { properties: { v: { type: 'boolean' } } },
  },
  not: { type: 'string', maxLength: 3, not: { enum: ['a', 'b'] } },
  contains: { type: 'array', items: { type: 'boolean' }, contains: { const: true }, maxItems: 3 },
}
const SOURCES: Record<string, GrammarSource> = {
  ...Object.fromEntries(Object.entries(SCHEMAS).map(([name, jsonSchema]) => [name, { jsonSchema }])),
  compact: { jsonSchema: SCHEMAS.person, compact: true },
  json: { json: true },
  regex: { regex: '[a-c]{2,4}(x|yz)?' },
  gbnf: { gbnf: 'root ::= "a" list "b"?\nlist ::= "[" (item ("," item)*)? "]"\nitem ::= [0-9]+ | list | "é"' },
}

for (const [name, source] of Object.entries(SOURCES)) {
  test(`masks of ${name} are what every token, tried, is; forced tokens have to come; clones go their own way`, () => {
    const next = random(name.length)
    const grammar = compile(source)
    for (let walk = 0; walk < 6; walk++) {
      const state = grammar.start()
      const ids: number[] = []
      for (let step = 0; step < 25; step++) {
        const own = allowed(state)
        const tried = Array.from({ length: SIZE }, (_, id) => id).filter((id) => state.clone().accept(id))
        assert.equal(own, tried, `${name} after ${JSON.stringify(tokenizer.detokenize(ids))}`)
        assert.ok(own.length > 0, 'there is no dead end')
        for (const id of own) assert.ok(state.allows(id))
        const forced = state.forced()
        const ahead = state.clone()
        for (const id of forced) assert.ok(ahead.accept(id), `${id} is forced and refused`)
        if (forced.length > 0) assert.not.ok(state.complete)
        const id = own[Math.floor(next() * own.length)]!
        const before = state.clone()
        assert.ok(state.accept(id))
        assert.ok(before.allows(id))
        if (tokenizer.isEndOfGeneration(id)) break
        ids.push(id)
      }
    }
  })
}

test('what is refused leaves a state as it was, and an end-of-generation token is the last', () => {
  const state = compile({ regex: 'ab' }).start()
  const eos = tokenizer.eos!
  const [b, a] = [idsOf('b')[0]!, idsOf('a')[0]!]
  assert.is(state.accept(b), false)
  assert.is(state.accept(eos), false)
  assert.is(state.accept(SIZE), false)
  assert.is(state.accept(-1), false)
  assert.is(state.accept(a), true)
  assert.equal(state.forced(), [b])
  assert.is(state.complete, false)
  assert.is(state.accept(b), true)
  assert.is(state.complete, true)
  assert.equal(allowed(state), [eos])
  assert.is(state.accept(eos), true)
  assert.is(state.complete, true)
  assert.is(state.accept(eos), false)
  assert.equal(allowed(state), [])
})

test('any JSON, with blanks or compact', () => {
  for (const text of ['{"a": [1, -2.5e3, "x\\n\\u00e9", true, null], "b": {}}', '[]', '"é"', '0']) {
    assert.ok(accepts({ json: true }, text), text)
  }
  for (const text of ['{"a":1,}', '[1 2]', "'a'", '01', '', '{"a"}', '"\n"']) {
    assert.not.ok(accepts({ json: true }, text), text)
  }
  assert.ok(accepts({ json: true, compact: true }, '{"a":[1,2]}'))
  assert.not.ok(accepts({ json: true, compact: true }, '{"a": [1,2]}'))
})

test('regular expressions match from end to end', () => {
  const cases: [pattern: string, yes: string[], no: string[]][] = [
    ['a|bc', ['a', 'bc'], ['', 'ab', 'abc']],
    ['^a.c$', ['abc', 'aéc'], ['ac', 'a\nc', 'xabc']],
    ['\\d{2,3}', ['12', '123'], ['1', '1234']],
    ['(?!ab)[a-c]+', ['ba', 'ac'], ['ab', 'abc']],
    ['a(?=b)[a-z]*', ['ab', 'abc'], ['a', 'ac']],
    ['[^a-c\\d]', ['x', '日'], ['a', '1', 'xy']],
    ['\\u{1F999}|\\x41', ['🦙', 'A'], ['B']],
    ['(^a|b)*c', ['c', 'ac', 'bc'], ['bac']],
    ['', [''], ['a']],
  ]
  for (const [regex, yes, no] of cases) {
    // An anchor that is repeated without end is refused.
    if (regex === '(^a|b)*c') refused({ regex }, 'PATTERN_UNSUPPORTED', /anchor/)
    else {
      for (const text of yes) assert.ok(accepts({ regex }, text), `${regex} ${text}`)
      for (const text of no) assert.not.ok(accepts({ regex }, text), `${regex} ${text}`)
    }
  }
})

test('GBNF where llama.cpp is wrong: empty classes match nothing, parts that may be empty can be repeated', () => {
  assert.ok(accepts({ gbnf: 'root ::= ("a" | "")* "."' }, 'aa.'))
  assert.not.ok(accepts({ gbnf: 'root ::= "a" [] "b"' }, 'ab'))
  assert.ok(accepts({ gbnf: 'root ::= "a" [^] "b"' }, 'axb'))
  assert.ok(accepts({ gbnf: 'root ::= "a"{1,3000}' }, 'a'.repeat(3000)))
  assert.not.ok(accepts({ gbnf: 'root ::= "a"{1,3000}' }, 'a'.repeat(3001)))
})

test('alternatives that are the same are not one; what a not says evaluates nothing', () => {
  refused({ jsonSchema: { oneOf: [true, true] } }, 'SCHEMA_EMPTY', /No value/)
  const bar = { properties: { bar: { const: 'bar' } }, required: ['bar'] }
  // What has to be there is evaluated by nothing.
  refused(
    { jsonSchema: { not: { not: bar }, unevaluatedProperties: false, type: 'object' } },
    'SCHEMA_EMPTY',
    /No value/,
  )
  assert.ok(accepts({ jsonSchema: { ...bar, unevaluatedProperties: false, type: 'object' } }, '{"bar":"bar"}'))
})

test('errors name the line, the keyword and its place', () => {
  refused({ gbnf: 'root ::= "a"\nx ::= y' }, 'GRAMMAR_SYNTAX', /Line 2 .*no rule y/)
  refused({ gbnf: 'root ::= root "a" | "b"' }, 'GRAMMAR_SYNTAX', /begins with itself/)
  refused({ regex: 'a^b' }, 'GRAMMAR_EMPTY', /No text fits the regular expression/)
  refused({ regex: 'a(b' }, 'PATTERN_SYNTAX', /\( without \)/)
  refused({ regex: '(a)\\1' }, 'PATTERN_UNSUPPORTED', /back reference/)
  refused({ jsonSchema: 5 }, 'SCHEMA_SYNTAX', /no schema/)
  refused({ jsonSchema: { type: 'text' } }, 'SCHEMA_SYNTAX', /\/type names "text"/)
  refused({ jsonSchema: { properties: { a: { minLength: -1 } } } }, 'SCHEMA_SYNTAX', /\/properties\/a\/minLength/)
  refused({ jsonSchema: { $ref: '#/$defs/x' } }, 'SCHEMA_REFERENCE', /#\/\$defs\/x/)
  refused({ jsonSchema: { $ref: 'https://example.com/s.json' } }, 'SCHEMA_REFERENCE', /example\.com/)
  refused({ jsonSchema: { $ref: '#' } }, 'SCHEMA_UNSUPPORTED', /refers to itself/)
  refused({ jsonSchema: { items: {}, type: 'array', uniqueItems: true } }, 'SCHEMA_UNSUPPORTED', /\/uniqueItems/)
  refused({ jsonSchema: { type: 'string', minLength: 3, maxLength: 2 } }, 'SCHEMA_EMPTY', /No value/)
  refused({ jsonSchema: { type: 'string', pattern: '^a$', minLength: 2 } }, 'SCHEMA_EMPTY', /No value/)
  refused({ jsonSchema: false }, 'SCHEMA_EMPTY', /No value/)
  const endless = { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }
  refused({ jsonSchema: endless }, 'SCHEMA_EMPTY', /No value/)
  for (const wrong of [{}, { json: true, regex: 'a' }, { json: false }, { gbnf: 5 }, { regex: {} }, { schema: {} }]) {
    assert.throws(
      () => compile(wrong as unknown as GrammarSource),
      (error: unknown) => error instanceof ArgumentError,
    )
  }
})

test('long lists of values are followed, not refused', () => {
  const numbers = Array.from({ length: 20_000 }, (_, i) => i * 7919)
  const texts = compile({ jsonSchema: { enum: numbers.map((i) => `value ${i}`) } })
  assert.ok(texts.accepts(idsOf(`"value ${numbers.at(-1)}"`)))
  assert.not(texts.accepts(idsOf('"value 5"')))
  const objects = compile({ jsonSchema: { enum: numbers.slice(0, 2000).map((a) => ({ a, b: [a] })) } })
  assert.ok(objects.accepts(idsOf('{"a": 7919, "b": [7919]}')))
  assert.not(objects.accepts(idsOf('{"a": 7919, "b": [0]}')))
})

for (const [name, source] of Object.entries(HOSTILE)) {
  test(`too much at once, ${name}: refused, or read token by token`, () => {
    let grammar: Grammar
    try {
      grammar = compile(source)
    } catch (error) {
      assert.instance(error, GrammarError)
      return
    }
    const next = random(7)
    const state = grammar.start()
    try {
      for (let step = 0; step < 200; step++) {
        const own = allowed(state)
        assert.ok(own.length > 0)
        if (!state.accept(own[Math.floor(next() * own.length)]!) || state.complete) break
      }
    } catch (error) {
      assert.instance(error, GrammarError)
      assert.is((error as GrammarError).code, 'GRAMMAR_COMPLEX')
    }
  })
}

test.run()
