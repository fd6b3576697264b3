/** Random texts through random schemas: all that is let through whole is JSON, and valid by a validator that is not ours. */
import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { GrammarError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { compileGrammar, type Grammar } from '../../js/grammar/grammar.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { createTokenizer } from '../../js/tokenizer/tokenizer.ts'

const SCHEMAS = 400
const TEXTS = 3
/** Tokens after which a text looks for its end. */
const LONG = 40
const MOST = 300

const { metadata } = await readGguf(bytesSource(readFileSync('models/stories260K.gguf'), 'stories'))
const tokenizer = createTokenizer(metadata)
const ids = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id)
const bytes = ids.map((id) => tokenizer.tokenBytes(id))
const closes = ids.map((id) => /^["\]}]+$/.test(new TextDecoder().decode(bytes[id])))
const ajv = new Ajv2020({ strict: false, validateFormats: false, multipleOfPrecision: 9 })

let state = 1
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 0x100000000
}
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
const often = (share: number): boolean => random() < share
const count = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1))

const NAMES = ['a', 'b', 'name', 'x-y', 'é', 'c"d']
const PATTERNS = ['^a', 'b$', '^[a-z]+$', '[0-9]{2}', '^(x|yz)*$', 'é', '"', '^.{2,4}$', '^(?!ab)[a-c]*$']
const VALUES = [1, 'a', null, true, 'é"\\', [1, 2], { a: 1 }, -0.5, 'b']

const LEAVES: Record<string, () => object> = {
  string: () => ({
    type: 'string',
    ...(often(0.3) && { minLength: count(0, 3) }),
    ...(often(0.4) && { maxLength: count(3, 8) }),
    ...(often(0.4) && { pattern: pick(PATTERNS) }),
  }),
  number: () => ({
    type: pick(['number', 'integer']),
    ...(often(0.4) && { minimum: pick([-100.5, -3, 0, 0.001, 1.25, 7, 1000]) }),
    ...(often(0.4) && { maximum: pick([-2, 0, 0.5, 3.75, 99, 12345.678, 1e21]) }),
    ...(often(0.2) && { exclusiveMinimum: pick([-5, 0, 2.5]) }),
    ...(often(0.2) && { exclusiveMaximum: pick([0, 1, 10.01]) }),
    ...(often(0.2) && { multipleOf: pick([2, 3, 7, 0.5, 0.25, 10]) }),
  }),
  simple: () => ({ type: pick(['boolean', 'null']) }),
  enum: () => ({ enum: [pick(['z', 5]), ...VALUES.filter(() => often(0.5))] }),
  const: () => ({ const: pick([1, 'a', null, [], { x: [1] }, 'long text']) }),
}
const BRANCHES: Record<string, (inner: () => object) => object> = {
  object: (inner) => ({
    type: 'object',
    properties: Object.fromEntries(NAMES.filter(() => often(0.4)).map((name) => [name, inner()])),
    ...(often(0.5) && { required: NAMES.filter(() => often(0.25)) }),
    ...(often(0.5) && { additionalProperties: often(0.6) ? false : inner() }),
    ...(often(0.2) && { patternProperties: { [pick(['^a', 'e$', '^x-'])]: inner() } }),
    ...(often(0.2) && { maxProperties: count(0, 4) }),
    ...(often(0.2) && { minProperties: count(0, 2) }),
    ...(often(0.1) && { propertyNames: pick([{ maxLength: 3 }, { pattern: '^[a-z]' }, { enum: ['a', 'b', 'zz'] }]) }),
    ...(often(0.1) && { dependentRequired: { a: ['b'] } }),
  }),
  array: (inner) => ({
    type: 'array',
    ...(often(0.7) && { items: inner() }),
    ...(often(0.3) && { prefixItems: [inner(), inner()] }),
    ...(often(0.3) && { minItems: count(0, 2) }),
    ...(often(0.5) && { maxItems: count(1, 4) }),
    ...(often(0.2) && { contains: inner() }),
  }),
  unique: () => ({ type: 'array', items: { enum: ['a', 'b', 1] }, uniqueItems: true }),
  anyOf: (inner) => ({ anyOf: [inner(), inner()] }),
  oneOf: (inner) => ({ oneOf: [inner(), inner()] }),
  allOf: (inner) => ({ allOf: [inner(), inner()] }),
  not: (inner) => ({ ...inner(), not: inner() }),
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  if: (inner) => ({ if: inner(), then: inner(), else: inner() }),
  any: () => ({}),
}

function schemaOf(depth: number): object {
  const kinds = depth > 0 && often(0.7) ? Object.values(BRANCHES) : Object.values(LEAVES)
  return pick(kinds)(() => schemaOf(depth - 1))
}

/** A text by tokens that are drawn from those allowed; undefined where it finds no end. */
function textOf(grammar: Grammar, shown: string): string | undefined {
  const place = grammar.start()
  const text: number[] = []
  for (let step = 0; step < MOST; step++) {
    const mask = place.mask()
    const allowed = ids.filter((id) => (mask[id >> 5]! >>> (id & 31)) & 1)
    assert.ok(allowed.length > 0, `no way on: ${shown} ${JSON.stringify(text)}`)
    if (place.complete && (step > LONG || often(0.3))) break
    const ends = allowed.filter((id) => closes[id])
    const id = pick(step > LONG && ends.length > 0 && often(0.7) ? ends : allowed)
    if (tokenizer.isEndOfGeneration(id)) break
    assert.ok(place.accept(id), shown)
    text.push(...bytes[id]!)
  }
  return place.complete ? new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(text)) : undefined
}

test('whatever a schema lets through is valid', () => {
  let whole = 0
  for (let i = 0; i < SCHEMAS; i++) {
    const schema = schemaOf(count(0, 3))
    const shown = JSON.stringify(schema)
    let grammar: Grammar
    try {
      grammar = compileGrammar({ jsonSchema: schema, compact: often(0.5) }, tokenizer)
    } catch (error) {
      assert.instance(error, GrammarError, shown)
      continue
    }
    const validate = ajv.compile(schema)
    for (let j = 0; j < TEXTS; j++) {
      const text = textOf(grammar, shown)
      if (text === undefined) continue
      whole++
      assert.ok(validate(JSON.parse(text)), `${shown} ${text} ${JSON.stringify(validate.errors)}`)
    }
  }
  assert.ok(whole > SCHEMAS, `${whole} whole texts`)
})

test.run()
