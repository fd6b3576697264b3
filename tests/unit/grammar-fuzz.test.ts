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
import { draws } from '../random-draws.ts'
import { randomSchema } from '../random-schemas.ts'

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

const random = draws(1)
const { often, pick } = random

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
    const schema = randomSchema(random)
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
