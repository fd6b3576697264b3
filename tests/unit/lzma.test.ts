/** What unpacks cria/inline, against an encoder that is not ours. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { unpackLzma } from '../../js/platform/lzma.ts'
import { random } from '../kernel-harness.ts'

// By way of a variable: the package's types are its sources, which are not as strict as ours.
const encoder: string = 'lzma1'
const { compress } = (await import(encoder)) as { compress(bytes: Uint8Array, mode: number): Int8Array }

/** Bytes from an alphabet of `letters`, as often a piece of what came before as a new one. */
function mixed(length: number, letters: number, seed: number): Uint8Array {
  const next = random(seed)
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const from = Math.floor(next() * at)
    const copied = next() < 0.5 ? Math.floor(next() * 300) : 0
    const end = Math.min(length, at + Math.max(1, copied))
    for (let i = from; at < end; i++, at++) bytes[at] = copied > 0 ? bytes[i]! : Math.floor(next() * letters)
  }
  return bytes
}

test('bytes of all kinds come back', async () => {
  const inputs = [1, 2, 3, 255, 4096, 300_000].flatMap((length) =>
    [1, 2, 50, 256].map((letters) => mixed(length, letters, length + letters)),
  )
  inputs.push(new Uint8Array(0), new Uint8Array(100_000))
  for (const bytes of inputs) {
    const unpacked = await unpackLzma(Uint8Array.from(compress(bytes, 9)), async () => {})
    assert.equal(Buffer.compare(unpacked, bytes), 0, `${bytes.length} bytes, the first ${bytes[0]}`)
  }
})

test('others have their turn while much is unpacked', async () => {
  let turns = 0
  await unpackLzma(Uint8Array.from(compress(mixed(300_000, 256, 1), 1)), async () => {
    turns++
  })
  assert.ok(turns >= 4, String(turns))
})

test.run()
