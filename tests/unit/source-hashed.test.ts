/** A checksum that is computed while the next bytes are under way. */
import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openFile } from '../../js/platform/files-node.ts'
import { hashed } from '../../js/source/hashed.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { openSource } from '../../js/source/source.ts'
import type { Source } from '../../js/source/types.ts'
import { STORIES } from '../api-helpers.ts'

const DATA = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7919) >>> 3)
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const SHA256 = digestOf(DATA)

/** The bytes, each read ended by hand, in any order. */
function manual() {
  const begun: { offset: number; end: () => Promise<void> }[] = []
  const source: Source = {
    ...bytesSource(DATA),
    read: (target, offset) =>
      new Promise((resolve) => {
        const end = async (): Promise<void> => {
          target.set(DATA.subarray(offset, offset + target.length))
          resolve()
          await new Promise((next) => setImmediate(next))
        }
        begun.push({ offset, end })
      }),
  }
  return { begun, source: hashed(source, SHA256) }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('reads in file order begin at once, and the checksum is right in whatever order they end', async () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ]) {
    const { begun, source } = manual()
    const targets = [3000, 4000, 3000].map((length) => new Uint8Array(length))
    const ended: number[] = []
    const reads = [0, 3000, 7000].map((offset, i) => source.read(targets[i]!, offset).then(() => ended.push(i)))
    await turn()
    assert.equal(
      begun.map(({ offset }) => offset),
      [0, 3000, 7000],
    )
    for (const i of order) await begun[i]!.end()
    await Promise.all(reads)
    assert.equal(ended, [0, 1, 2])
    assert.equal(
      targets.flatMap((target) => [...target]),
      [...DATA],
    )
    await source.finish()
  }
})

test('after a jump the source still is read front to back', async () => {
  const { begun, source } = manual()
  const reads = [
    source.read(new Uint8Array(100), 0),
    source.read(new Uint8Array(100), 150),
    source.read(new Uint8Array(100), 250),
  ]
  for (let i = 0; i < 4; i++) {
    await turn()
    await begun[i]!.end()
  }
  await Promise.all(reads)
  const rest = source.read(new Uint8Array(DATA.length - 350), 350)
  await turn()
  await begun[4]!.end()
  await rest
  await source.finish()
  assert.equal(
    begun.map(({ offset }) => offset),
    [0, 100, 150, 250, 350],
  )
})

test('a read that failed is made up for', async () => {
  let failures = 1
  const inner: Source = {
    ...bytesSource(DATA),
    async read(target, offset) {
      if (offset === 1000 && failures-- > 0) throw new Error('once')
      target.set(DATA.subarray(offset, offset + target.length))
    },
  }
  const source = hashed(inner, SHA256)
  const reads = [0, 1000, 2000].map((offset) => source.read(new Uint8Array(1000), offset))
  const results = await Promise.allSettled(reads)
  assert.equal(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  await source.finish()
})

test('the platform’s own SHA-256 is used where there is one, and equals ours', async () => {
  const file = await openFile(STORIES)
  const bytes = new Uint8Array(new SharedArrayBuffer(file.size))
  await file.read(bytes, 0)
  const platform = await file.sha256!()
  platform.update(bytes.subarray(0, 1001))
  platform.update(bytes.subarray(1001))
  const digest = Buffer.from(platform.digest()).toString('hex')
  assert.is(digest, digestOf(new Uint8Array(bytes)))
  await file.close()
  for (const input of [STORIES, new Uint8Array(bytes)]) {
    const source = await openSource(input, openFile, { sha256: digest })
    await source.read(new Uint8Array(5000), 0)
    await source.finish!()
    await source.close()
  }
})

test.run()
