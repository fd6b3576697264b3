/** Real vocabularies on random and on very long texts. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Tokenizer } from '../../js/tokenizer/tokenizer.ts'
import { sharedTest } from '../shared.ts'
import { vocabularies } from './tokenizer-vocabularies.ts'

let state = 1
function random(n: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 0x100000000) * n)
}

/** A character of a script, an emoji, a control, or any at all. */
function character(): string {
  const [first, count] = [
    [0x20, 95],
    [0x20, 1],
    [0x00, 0x20],
    [0xa0, 0x500],
    [0x900, 0x700],
    [0x3000, 0x2000],
    [0x1f300, 0x400],
    [0xe000, 0x1000],
    [0, 0x10ffff],
  ][random(9)] as [number, number]
  const code = first + random(count)
  return code >= 0xd800 && code < 0xe000 ? '\n' : String.fromCodePoint(code)
}

const text = () => Array.from({ length: random(40) }, character).join('')

/** Whether every byte is a token, so that no text can be lost. */
function hasEveryByte(tokenizer: Tokenizer): boolean {
  const bytes = new Set<number>()
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const [byte, more] = tokenizer.tokenBytes(id)
    if (byte !== undefined && more === undefined) bytes.add(byte)
  }
  // 0xc0, 0xc1 and 0xf5 to 0xff are in no UTF-8.
  return Array.from({ length: 256 }, (_, byte) => byte).every(
    (byte) => bytes.has(byte) || byte === 0xc0 || byte === 0xc1 || byte >= 0xf5,
  )
}

sharedTest('decoding undoes encoding, streamed or not', async () => {
  let checked = 0
  for (const [name, tokenizer] of await vocabularies()) {
    if (!hasEveryByte(tokenizer)) continue
    checked++
    for (let i = 0; i < 600; i++) {
      const written = text()
      // To SentencePiece U+2581 is a space.
      const expected = tokenizer.kind === 'spm' ? written.replaceAll('\u2581', ' ') : written
      for (const options of [{}, { bos: false }, { special: false }]) {
        const ids = tokenizer.tokenize(written, options)
        const stream = tokenizer.stream()
        assert.is(tokenizer.detokenize(ids), expected, `${name}: ${JSON.stringify(written)}`)
        assert.is(ids.map((id) => stream.push(id)).join('') + stream.flush(), expected)
      }
    }
  }
  assert.ok(checked > 0)
})

sharedTest('any ids can be decoded, and a stream of them says the same', async () => {
  for (const [name, tokenizer] of await vocabularies()) {
    for (let i = 0; i < 300; i++) {
      const ids = Array.from({ length: random(20) }, () => random(tokenizer.vocabularySize))
      const options = { special: random(2) === 1, continued: random(2) === 1 }
      const stream = tokenizer.stream(options)
      const streamed = ids.map((id) => stream.push(id)).join('') + stream.flush()
      assert.is(tokenizer.detokenize(ids, options), streamed, name)
    }
  }
})

sharedTest('long runs and long texts take time that grows with their length', async () => {
  const words = Array.from({ length: 180_000 }, () => 'abcdefghij'.slice(random(8)) + random(1000)).join(' ')
  for (const [name, tokenizer] of await vocabularies()) {
    const start = performance.now()
    for (const unit of ['a', ' ', '\n', '0', '<', '▁', '😀', ' a']) {
      assert.ok(tokenizer.tokenize(unit.repeat(100_000 / unit.length)).length > 0)
    }
    assert.ok(tokenizer.tokenize(words).length > 0)
    // Seconds on a slow machine; a quadratic merge would take minutes.
    assert.ok(performance.now() - start < 20_000, name)
  }
})

sharedTest('special tokens in a text are found as they are written', async () => {
  for (const [name, tokenizer] of await vocabularies()) {
    for (const id of [tokenizer.bos, tokenizer.eos]) {
      if (id === undefined) continue
      const ids = tokenizer.tokenize(`x${tokenizer.tokenText(id)}`, { bos: false })
      assert.is(ids.at(-1), id, name)
      assert.not(tokenizer.tokenize(`x${tokenizer.tokenText(id)}`, { special: false, bos: false }).includes(id), name)
    }
  }
})

test.run()
