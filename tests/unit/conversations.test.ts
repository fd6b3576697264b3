/** A turn continues the ids of the turn before, as far as its text goes on from there. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Conversations } from '../../js/scheduler/conversations.ts'
import { promptIds } from '../../js/scheduler/generate.ts'
import type { TokenizeOptions, Tokenizer } from '../../js/tokenizer/tokenizer.ts'

/** A token a character, behind 1 for BOS. */
const tokenizer = {
  tokenize: (text: string, { bos = true }: TokenizeOptions = {}) => [
    ...(bos ? [1] : []),
    ...Array.from(text, (character) => character.codePointAt(0)!),
  ],
} as unknown as Tokenizer

test('a prompt that goes on from a turn takes over its ids; any other is tokenized whole', () => {
  const last = { text: 'ab', ids: [7, 8] }
  assert.equal(promptIds(tokenizer, { prompt: 'abc' }, last), [7, 8, 99])
  assert.equal(promptIds(tokenizer, { prompt: 'abc', bos: true }, last), [7, 8, 99])
  assert.equal(promptIds(tokenizer, { prompt: 'b' }, last), [1, 98])
  assert.equal(promptIds(tokenizer, { prompt: 'ab' }), [1, 97, 98])
  assert.equal(promptIds(tokenizer, { prompt: [5, 6] }, last), [5, 6])
})

test('the last turn of each conversation is remembered, of the 64 used last', () => {
  const conversations = new Conversations()
  const turn = (text: string) => ({ text, ids: [1] })
  for (let number = 0; number < 64; number++) conversations.remember(number, turn(String(number)))
  conversations.remember(0, turn('again'))
  conversations.remember(64, turn('64'))
  assert.is(conversations.last(1), undefined)
  assert.equal(conversations.last(0), turn('again'))
  conversations.remember(0, undefined)
  assert.is(conversations.last(0), undefined)
  conversations.remember(undefined, turn('none'))
  assert.is(conversations.last(undefined), undefined)
})

test.run()
