/** `cria run` and `cria chat` with a schema or a grammar. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cria } from '../cli-helpers.ts'

const SCHEMA = JSON.stringify({
  type: 'object',
  properties: { name: { type: 'string', maxLength: 8 }, age: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['name', 'age'],
  additionalProperties: false,
})
const folder = mkdtempSync(join(tmpdir(), 'cria-grammar-'))
const [schemaFile, grammarFile] = [join(folder, 'schema.json'), join(folder, 'yes.gbnf')]
writeFileSync(schemaFile, SCHEMA)
writeFileSync(grammarFile, 'root ::= "yes" | "no"')
test.after(() => rmSync(folder, { recursive: true }))

const ask = (...args: string[]) => cria(['-p', 'Once', '--temp', '0', '-n', '300', ...args])

test('JSON of a schema, given as text or as a file, and sentences of a grammar', async () => {
  for (const args of [
    ['-j', SCHEMA],
    ['--json-schema', schemaFile],
    ['-jf', schemaFile],
  ]) {
    const { code, stdout, stderr } = await ask(...args)
    assert.is(code, 0, stderr)
    assert.equal(Object.keys(JSON.parse(stdout)), ['name', 'age'])
  }
  for (const args of [
    ['--grammar', 'root ::= "yes" | "no"'],
    ['--grammar-file', grammarFile],
  ]) {
    const { code, stdout } = await ask(...args)
    assert.is(code, 0)
    assert.match(stdout, /^(yes|no)\n$/)
  }
  const { code, stdout } = await cria(['chat', '-st', '-p', 'Hi', '--temp', '0', '--grammar-file', grammarFile])
  assert.is(code, 0)
  assert.match(stdout, /^(yes|no)\n$/)
})

test('a text that is cut short exits with 1 and says so', async () => {
  const { code, stdout, stderr } = await ask('-j', '{"type":"string","minLength":50}', '-n', '3')
  assert.is(code, 1)
  assert.ok(stdout.startsWith('"'))
  assert.match(stderr, /cut short/)
})

test('what is wrong is told by its flag or its place', async () => {
  for (const [args, words, code] of [
    [['-j', '{'], /--json-schema: the schema is no JSON/, 2],
    [['-jf', grammarFile], /--json-schema-file: .*yes\.gbnf is no JSON/, 2],
    [['-jf', join(folder, 'nowhere.json')], /nowhere\.json/, 1],
    [['-j', SCHEMA, '--grammar', 'root ::= "a"'], /--grammar or --json-schema, not both/, 2],
    [['-j', '{"type":"text"}'], /The JSON Schema’s \/type names "text"/, 1],
    [['--grammar', 'root ::= ('], /Line 1 of the grammar/, 1],
  ] as const) {
    const result = await ask(...args)
    assert.match(result.stderr, words)
    assert.is(result.code, code, result.stderr)
  }
})

test.run()
