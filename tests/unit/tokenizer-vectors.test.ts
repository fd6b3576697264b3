import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Tokenizer } from '../../js/tokenizer/tokenizer.ts'
import { hasShared, shared, sharedTest } from '../shared.ts'
import { vocabularies } from './tokenizer-vocabularies.ts'

const FOLDER = shared('vectors', 'tokenizers')
const SEPARATOR = '\n__ggml_vocab_test__\n'
const PLAIN = { special: false, bos: false }

function ggmlCases(name: string): [text: string, ids: number[]][] {
  const texts = readFileSync(`${FOLDER}/${name}.inp`, 'utf8').split(SEPARATOR)
  const lines = readFileSync(`${FOLDER}/${name}.out`, 'utf8').split('\n')
  // What follows the last separator is no text, what follows the last newline no line.
  return texts.slice(0, -1).map((text, i) => [text, lines[i]!.trim().split(/\s+/).filter(Boolean).map(Number)])
}

function hardCases(name: string): [text: string, ids: number[]][] {
  const lines = readFileSync(`${FOLDER}/${name}.hard.jsonl`, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => {
    const { text, ids } = JSON.parse(line) as { text: string; ids: number[] }
    return [text, ids]
  })
}

function check(name: string, tokenizer: Tokenizer, cases: [text: string, ids: number[]][]): void {
  assert.ok(cases.length > 0, name)
  for (const [text, ids] of cases) {
    const shown = `${name}: ${JSON.stringify(text.slice(0, 200))}`
    assert.equal(tokenizer.tokenize(text, PLAIN), ids, shown)
    assert.is(tokenizer.detokenize(ids), text, shown)
    const stream = tokenizer.stream()
    assert.is(ids.map((id) => stream.push(id)).join('') + stream.flush(), text, shown)
  }
}

const files = hasShared ? readdirSync(FOLDER) : []

sharedTest('the folder has vectors of both kinds', () => {
  assert.ok(files.some((file) => file.endsWith('.inp')) && files.some((file) => file.endsWith('.hard.jsonl')))
})
for (const file of files) {
  const [name = '', kind] = file.split(/\.(inp|hard\.jsonl)$/)
  if (!kind) continue
  sharedTest(`${name}: every text of ${file} has llama.cpp's ids, and comes back from them`, async () => {
    const tokenizer = (await vocabularies()).get(name)
    assert.ok(tokenizer, `no vocabulary for ${file}`)
    check(name, tokenizer, kind === 'inp' ? ggmlCases(name) : hardCases(name))
  })
}

test.run()
