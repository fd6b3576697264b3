/** A turn continues the ids of the turn before, as far as its text goes on from there. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Conversation } from '../../js/api/chat.ts'
import { promptIds } from '../../js/scheduler/generate.ts'
import type { TokenizeOptions, Tokenizer } from '../../js/tokenizer/tokenizer.ts'

/** A token a character, behind 1 for BOS. */
const tokenizer = {
  tokenize: (text: string, { bos = true }: TokenizeOptions = {}) => [
    ...(bos ? [1] : []),
    ...Array.from(text, (character) => character.codePointAt(0)!),
  ],
} as unknown as Tokenizer

test('a prompt that follows turns takes over their ids; any other is tokenized whole', () => {
  const history = [7, 8]
  assert.equal(promptIds(tokenizer, { prompt: 'c', history }), [7, 8, 99])
  assert.equal(promptIds(tokenizer, { prompt: 'c', bos: true, history }), [7, 8, 99])
  assert.equal(promptIds(tokenizer, { prompt: 'c', history: [] }), [1, 99])
  assert.equal(promptIds(tokenizer, { prompt: 'ab' }), [1, 97, 98])
  assert.equal(promptIds(tokenizer, { prompt: [5, 6] }), [5, 6])
})

test('a turn goes on from the ids of the turns before, as far as its text does', () => {
  const conversation = new Conversation()
  assert.equal(conversation.begin('ab'), { prompt: 'ab', history: [] })
  conversation.end('c', [7, 8])
  assert.equal(conversation.begin('abcd'), { prompt: 'd', history: [7, 8] })
  conversation.end('e', [7, 8, 9])
  assert.equal(conversation.begin('abcd'), { prompt: 'abcd', history: [] })
  // That one failed, and no turn may continue the next.
  assert.equal(conversation.begin('abcde'), { prompt: 'abcde', history: [] })
  conversation.end('f')
  assert.equal(conversation.begin('abcdef'), { prompt: 'abcdef', history: [] })
})

test.run()
