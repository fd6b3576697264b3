/** Conversations of the app: branches, and files of them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Conversation,
  exportConversations,
  importConversations,
  newConversation,
  shownTurns,
  siblingsOf,
  type Turn,
  withBranch,
  withChange,
  withoutTurn,
  withTurn,
} from '../../app/conversation.ts'

const turn = (id: string, parent: string | null, content = id): Turn => ({
  id,
  parent,
  role: id.startsWith('q') ? 'user' : 'assistant',
  content,
})
const made = (...turns: Turn[]): Conversation => turns.reduce(withTurn, newConversation())
const shown = (conversation: Conversation): string =>
  shownTurns(conversation)
    .map(({ id }) => id)
    .join(' ')

test('an answer and an edit are branches beside what was there', () => {
  const first = made(turn('q1', null), turn('a1', 'q1'), turn('q2', 'a1'), turn('a2', 'q2'))
  assert.is(shown(first), 'q1 a1 q2 a2')
  const again = withTurn(first, turn('a3', 'q1'))
  assert.is(shown(again), 'q1 a3')
  assert.equal(
    siblingsOf(again, again.turns.at(-1)!).map(({ id }) => id),
    ['a1', 'a3'],
  )
  assert.is(shown(withBranch(again, 'a1')), 'q1 a1 q2 a2')
  const edited = withTurn(again, turn('q3', null))
  assert.is(shown(edited), 'q3')
  assert.is(shown(withBranch(edited, 'q1')), 'q1 a3', 'the newest branch')
  assert.is(shown(first), 'q1 a1 q2 a2', 'what was there is as it was')
})

test('turns change in their place, and leave', () => {
  const one = made(turn('q1', null), turn('a1', 'q1'))
  assert.is(shownTurns(withChange(one, 'a1', { content: 'x', stopped: true }))[1]!.content, 'x')
  assert.is(shown(withoutTurn(one, 'a1')), 'q1')
  assert.is(shown(withoutTurn(withTurn(one, turn('a2', 'q1')), 'a1')), 'q1 a2')
})

test('the first question is the title', () => {
  assert.is(made(turn('q1', null, '  Why?\nBecause')).title, 'Why?')
  const long = made(turn('q1', null, 'word '.repeat(40)), turn('a1', 'q1'), turn('q2', 'a1', 'Other')).title
  assert.ok(long.length <= 48 && long.endsWith('…'), long)
})

test('a file gives back what was written, under new ids', () => {
  const stats = { model: 'm', promptTokens: 1, completionTokens: 2, tokensPerSecond: 3.5, seed: 4 }
  const tokens = [{ text: 'a', probability: 0.5, others: [{ text: 'b', probability: 0.25 }] }]
  const all = [
    made(turn('q1', null), { ...turn('a1', 'q1'), reasoning: 'r', stats, tokens }),
    newConversation('Be brief.'),
  ]
  const read = importConversations(exportConversations(all))
  assert.equal(
    read.map(({ id: _, ...rest }) => rest),
    all.map(({ id: _, ...rest }) => rest),
  )
  for (const [i, { id }] of read.entries()) assert.is.not(id, all[i]!.id)
})

test('a damaged file says what is wrong', () => {
  const file = (change: object, turns: object[] = []): string => {
    const conversation = { ...newConversation(), turns, ...change }
    return JSON.stringify({ format: 'cria-conversations', version: 1, conversations: [conversation] })
  }
  const cases: [text: string, says: RegExp][] = [
    ['{', /no JSON/],
    ['null', /no conversations/],
    ['{"format":"other"}', /no conversations/],
    ['{"format":"cria-conversations","version":2}', /version 2/],
    ['{"format":"cria-conversations","version":1,"conversations":{}}', /no list/],
    ['{"format":"cria-conversations","version":1,"conversations":[null]}', /Conversation 1 .*no object/],
    [file({ title: 1 }), /title is no text/],
    [file({ system: null }), /system is no text/],
    [file({ updated: 'x' }), /updated/],
    [file({ turns: {} }), /turns is no list/],
    [file({ leaf: 'a9' }), /leaf/],
    [file({}, [turn('a1', 'q1')]), /before its parent/],
    [file({}, [turn('q1', null), turn('q1', null)]), /id of its own/],
    [file({}, [{ ...turn('q1', null), role: 'system' }]), /role/],
    [file({}, [{ ...turn('q1', null), content: 1 }]), /content/],
    [file({}, [{ ...turn('q1', null), error: 1 }]), /error/],
    [file({}, [{ ...turn('q1', null), stats: { model: 'm' } }]), /stats/],
    [file({}, [{ ...turn('q1', null), tokens: [{ text: 'a', probability: 1, others: [null] }] }]), /tokens/],
  ]
  for (const [text, says] of cases)
    assert.throws(
      () => importConversations(text),
      (error: Error) => says.test(error.message),
      text,
    )
})

test.run()
