/** js/grammar against the verdicts of llama.cpp and of Python's jsonschema, and against real schemas. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { GrammarError } from '../../js/errors.ts'
import { compileGrammar } from '../../js/grammar/grammar.ts'
import type { Tokenizer } from '../../js/tokenizer/tokenizer.ts'
import { shared, sharedTest } from '../shared.ts'
import { vocabularies } from './tokenizer-vocabularies.ts'

/** A vocabulary for grammars that name none. */
const ANY_VOCABULARY = 'llama-bpe'
/** Schemas that may be refused, of each set. */
const MOST_REFUSED = { 'grammar/schema.jsonl': 0.08, 'jsonschema/maskbench.jsonl': 0.15 }

interface TextCase {
  text?: string
  parts?: (string | number)[]
  accepted: boolean
  prefix_ok: boolean
  dispute?: true
}

interface GrammarCase {
  name: string
  grammar: string
  vocab?: string
  error?: true
  dispute?: true
  tests?: TextCase[]
}

interface MaskCase {
  name: string
  grammar: string
  vocab: string
  prefix_tokens: number[]
  eog_allowed: boolean
  dispute?: true
  strict: { count: number; sha256: string }
}

function lines<T>(...path: string[]): T[] {
  const text = readFileSync(shared('vectors', ...path), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

async function vocabulary(name = ANY_VOCABULARY): Promise<Tokenizer> {
  const found = (await vocabularies()).get(name)
  if (!found) throw new Error(`no vocabulary ${name}`)
  return found
}

/** The ids of a text that does not begin one: without SentencePiece's space before it. */
function idsOf(tokenizer: Tokenizer, text: string): number[] {
  const options = { bos: false, special: false }
  return tokenizer.tokenize(`\u0001${text}`, options).slice(tokenizer.tokenize('\u0001', options).length)
}

sharedTest('grammars of GBNF accept, refuse and hold open what llama.cpp does', async () => {
  const cases = lines<GrammarCase>('grammar', 'gbnf.jsonl')
  assert.ok(cases.length > 0)
  for (const { name, grammar, vocab, error, dispute, tests = [] } of cases) {
    const tokenizer = await vocabulary(vocab)
    const compile = () => compileGrammar({ gbnf: grammar }, tokenizer)
    if (error) {
      if (!dispute) assert.throws(compile, (thrown: unknown) => thrown instanceof GrammarError, name)
      continue
    }
    const compiled = compile()
    for (const { text, parts = [text!], accepted, prefix_ok: open, dispute: disputed } of tests) {
      if (dispute || disputed) continue
      const state = compiled.start()
      const read = parts.every((part) =>
        (typeof part === 'number' ? [part] : idsOf(tokenizer, part)).every((id) => state.accept(id)),
      )
      const shown = `${name}: ${JSON.stringify(parts).slice(0, 200)}`
      assert.is(read, open, shown)
      assert.is(read && state.complete, accepted, shown)
    }
  }
})

sharedTest('masks of vocabularies are those of llama.cpp, bit for bit', async () => {
  const cases = lines<MaskCase>('grammar', 'masks.jsonl')
  assert.ok(cases.length > 0)
  for (const { name, grammar, vocab, prefix_tokens: prefix, eog_allowed: ends, dispute, strict } of cases) {
    if (dispute) continue
    const tokenizer = await vocabulary(vocab)
    const state = compileGrammar({ gbnf: grammar }, tokenizer).start()
    const shown = `${name} after ${prefix.length} tokens`
    assert.ok(
      prefix.every((id) => state.accept(id)),
      shown,
    )
    assert.is(state.complete, ends, shown)
    const mask = state.mask()
    const ids: number[] = []
    for (let id = 0; id < tokenizer.vocabularySize; id++) {
      // Control tokens that a grammar names are not in the sets to compare with.
      const isControl = tokenizer.tokenBytes(id).length === 0 && !tokenizer.isEndOfGeneration(id)
      if ((mask[id >> 5]! >>> (id & 31)) & 1 && !isControl) ids.push(id)
    }
    assert.is(ids.length, strict.count, shown)
    const hash = createHash('sha256').update(new Uint8Array(Uint32Array.from(ids).buffer))
    assert.is(hash.digest('hex'), strict.sha256, shown)
  }
})

interface SchemaCase {
  name: string
  schema: unknown
  instances: { text: string; valid: boolean; ordered?: boolean; usual?: boolean }[]
}

sharedTest('of schemas, no invalid text is accepted, and valid ones are where they are ordered and usual', async () => {
  const cases = lines<SchemaCase>('grammar', 'schema.jsonl')
  const tokenizer = await vocabulary()
  let refused = 0
  for (const { name, schema, instances } of cases) {
    let compiled: ReturnType<typeof compileGrammar>
    try {
      compiled = compileGrammar({ jsonSchema: schema }, tokenizer)
    } catch (error) {
      assert.instance(error, GrammarError, name)
      const { code } = error as GrammarError
      // That nothing fits is a verdict too.
      if (code !== 'SCHEMA_EMPTY') refused++
      else
        assert.not.ok(
          instances.some(({ valid }) => valid),
          name,
        )
      continue
    }
    for (const { text, valid, ordered, usual } of instances) {
      const accepted = compiled.accepts(idsOf(tokenizer, text))
      if (!valid || (ordered && usual)) assert.is(accepted, valid, `${name}: ${text}`)
    }
  }
  assert.ok(refused <= cases.length * MOST_REFUSED['grammar/schema.jsonl'], `${refused} of ${cases.length} refused`)
})

interface RealCase {
  name: string
  schema: unknown
  tests: { valid: boolean; data: unknown }[]
}

/** As Python's json.dumps writes a value. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${spaced(item)}`)
  return `{${members.join(', ')}}`
}

/** A schema whose properties stand in the order of an instance's keys. */
function orderedLike(schema: unknown, order: readonly string[]): unknown {
  if (Array.isArray(schema)) return schema.map((item) => orderedLike(item, order))
  if (typeof schema !== 'object' || schema === null) return schema
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length)
  const entries = Object.entries(schema).sort(([a], [b]) => place(a) - place(b))
  return Object.fromEntries(entries.map(([name, item]) => [name, orderedLike(item, order)]))
}

function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = Array.isArray(value) ? [] : Object.keys(value)
  return [...own, ...Object.values(value).flatMap(keysOf)]
}

sharedTest(
  'of real schemas, no invalid instance is accepted, and valid ones are in the order of properties',
  async () => {
    const cases = lines<RealCase>('jsonschema', 'maskbench.jsonl')
    const tokenizer = await vocabulary()
    const faults: string[] = []
    let [refused, disordered, valids] = [0, 0, 0]
    for (const { name, schema, tests } of cases) {
      let compiled: ReturnType<typeof compileGrammar>
      try {
        compiled = compileGrammar({ jsonSchema: schema }, tokenizer)
      } catch (error) {
        assert.instance(error, GrammarError, name)
        refused++
        continue
      }
      for (const { valid, data } of tests) {
        if (valid) valids++
        const texts = [JSON.stringify(data), spaced(data)]
        const accepts = (grammar: typeof compiled) => texts.map((text) => grammar.accepts(idsOf(tokenizer, text)))
        if (accepts(compiled).every((accepted) => accepted === valid)) continue
        // The keys of a few stand in another order than the schema's.
        const other = valid ? compileGrammar({ jsonSchema: orderedLike(schema, keysOf(data)) }, tokenizer) : compiled
        if (accepts(other).every((accepted) => accepted === valid)) disordered++
        else faults.push(`${name}: ${texts[0]}`)
      }
    }
    assert.ok(
      refused <= cases.length * MOST_REFUSED['jsonschema/maskbench.jsonl'],
      `${refused} of ${cases.length} refused`,
    )
    assert.ok(disordered <= valids / 50, `${disordered} of ${valids} in another order`)
    assert.equal(faults, [])
  },
)

test.run()
