import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArgumentError } from '../../js/errors.ts'
import { Random } from '../../js/sampler/random.ts'
import { StopMatcher } from '../../js/sampler/stop.ts'

/** What comes out of the pieces, and the stop string met. */
function run(stops: string[], pieces: string[]): { text: string; stopped: string | undefined } {
  const matcher = new StopMatcher(stops)
  let text = ''
  for (const piece of pieces) {
    const out = matcher.push(piece)
    text += out.text
    if (out.stopped !== undefined) return { text, stopped: out.stopped }
  }
  text += matcher.flush()
  return { text, stopped: matcher.stopped }
}

test('a stop string ends the text, also across pieces', () => {
  assert.equal(run(['END'], ['abc', 'ENDdef']), { text: 'abc', stopped: 'END' })
  assert.equal(run(['END'], ['abcE', 'N', 'D', 'x']), { text: 'abc', stopped: 'END' })
  assert.equal(run(['END'], ['abcE', 'Nx']), { text: 'abcENx', stopped: undefined })
  assert.equal(run(['END'], ['EEN', 'DD']), { text: 'E', stopped: 'END' })
  assert.equal(run(['aab'], ['aa', 'a', 'b']), { text: 'a', stopped: 'aab' })
  assert.equal(run(['🦙'], ['ok ', '🦙!']), { text: 'ok ', stopped: '🦙' })
  assert.equal(run([], ['a', 'b']), { text: 'ab', stopped: undefined })
})

test('only what may become a stop string is held back', () => {
  const matcher = new StopMatcher(['\n\nUser:'])
  assert.equal(matcher.push('Hi\n'), { text: 'Hi' })
  assert.equal(matcher.push('\n'), { text: '' })
  assert.equal(matcher.push('\n'), { text: '\n' })
  assert.equal(matcher.push('Us'), { text: '' })
  assert.equal(matcher.push('e of'), { text: '\n\nUse of' })
  assert.equal(matcher.push('\n'), { text: '' })
  assert.is(matcher.flush(), '\n')
  assert.is(matcher.flush(), '')
})

test('the earliest match wins, and no text comes after it', () => {
  assert.equal(run(['lo', 'l'], ['hello']), { text: 'he', stopped: 'l' })
  assert.equal(run(['c', 'abc'], ['xabc']), { text: 'x', stopped: 'abc' })
  // "b" is complete, but "abc" began earlier and may still come.
  assert.equal(run(['b', 'abc'], ['xab', 'c']), { text: 'x', stopped: 'abc' })
  assert.equal(run(['b', 'abc'], ['xab', 'd']), { text: 'xa', stopped: 'b' })
  assert.equal(run(['b', 'abc'], ['xab']), { text: 'xa', stopped: 'b' })
  const matcher = new StopMatcher(['.'])
  assert.equal(matcher.push('a.b'), { text: 'a', stopped: '.' })
  assert.equal(matcher.push('c'), { text: '', stopped: '.' })
  assert.is(matcher.flush(), '')
})

test('however the text is cut, the result is that of the whole', () => {
  const random = new Random(9)
  const word = (max: number) =>
    Array.from({ length: 1 + Math.floor(random.uniform() * max) }, () => 'ab'[random.next() & 1]).join('')
  for (let i = 0; i < 3000; i++) {
    const stops = [word(4), word(4), word(3)]
    const text = word(14)
    let at = text.length
    for (const stop of stops) if (text.includes(stop)) at = Math.min(at, text.indexOf(stop))
    const here = stops.filter((stop) => text.startsWith(stop, at)).sort((a, b) => a.length - b.length)
    const expected = { text: text.slice(0, at), stopped: here[0] }
    const pieces: string[] = []
    for (let p = 0; p < text.length; ) {
      const n = 1 + Math.floor(random.uniform() * 4)
      pieces.push(text.slice(p, p + n))
      p += n
    }
    assert.equal(run(stops, pieces), expected, `${JSON.stringify(stops)} in ${JSON.stringify(pieces)}`)
  }
})

test('empty stop strings and other things are refused', () => {
  for (const stops of [[''], ['a', ''], [3], 'a', undefined]) {
    assert.throws(
      () => new StopMatcher(stops as string[]),
      (e: unknown) => e instanceof ArgumentError,
    )
  }
})

test.run()
