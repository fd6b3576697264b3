/** Metadata as they cross from a worker to the caller's thread. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { MetadataValue } from '../../js/gguf/types.ts'
import { pack, Unpacked } from '../../workers/protocol.ts'

test('metadata come back as they were, lists of strings as few', () => {
  const metadata = new Map<string, MetadataValue>([
    ['text', 'a'],
    ['empty', ''],
    // U+10330: its first half is U+D800.
    ['high', '\u{10330} a'],
    ['number', 1],
    ['numbers', Float32Array.of(1, 2)],
    ['none', []],
    ['lists', [['a'], ['b']]],
    ['one', ['']],
    ['strings', ['', 'a', '\u{10330}', '\u{10330}\u{10000}', 'b\u{103ff}c', '\0\n\ufffd\uffff', '\u{10ffff}', '']],
  ])
  const packed = pack(metadata)
  for (const key of ['one', 'strings']) assert.type(packed.get(key), 'string')
  const got = new Unpacked(structuredClone(packed))
  assert.equal([...got.keys()], [...metadata.keys()])
  for (const [key, value] of metadata) {
    assert.equal(got.get(key), value, key)
    assert.equal(got.get(key), value, `${key}, again`)
  }
  assert.is(got.get('absent'), undefined)
})

test.run()
