/** Bytes that are no UTF-8 have llama.cpp's ids (tests/fixtures/make-raw-bytes.ts). */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadTokenizer } from '../../js/index.ts'
import { SMOLLM, STORIES } from '../api-helpers.ts'
import { sharedTest } from '../shared.ts'

interface RawBytes {
  hex: string
  stories: number[]
  smollm: number[]
}

const CASES: RawBytes[] = JSON.parse(readFileSync(new URL('../fixtures/raw-bytes.json', import.meta.url), 'utf8'))

async function check(file: string, vocabulary: 'stories' | 'smollm'): Promise<void> {
  const tokenizer = await loadTokenizer(file)
  for (const { hex, [vocabulary]: ids } of CASES) {
    assert.equal(tokenizer.tokenize(Buffer.from(hex, 'hex')), ids, hex)
  }
}

test('of a SentencePiece vocabulary', () => check(STORIES, 'stories'))
sharedTest('of a byte-level vocabulary', () => check(SMOLLM, 'smollm'))

test('bytes that are UTF-8 have the ids of the text', async () => {
  const tokenizer = await loadTokenizer(STORIES)
  for (const text of ['', 'Once upon a time', 'é 日本 👍 <s> x', '\ufeffa\0b']) {
    assert.equal(tokenizer.tokenize(Buffer.from(text)), tokenizer.tokenize(text), text)
  }
  const lone = tokenizer.tokenize('a\udce9b')
  assert.equal(lone, tokenizer.tokenize('a\ufffdb'), 'a lone surrogate of a text is no byte')
})

test.run()
