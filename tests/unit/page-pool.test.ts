/** Who holds which page: prefixes are found token by token, shared, copied where texts part, and given up the oldest first. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PAGE } from '../../assembly/layout.ts'
import { type Page, PagePool } from '../../js/scheduler/page-pool.ts'

const text = (length: number, seed = 0): number[] => Array.from({ length }, (_, i) => (i * 31 + seed * 7919) % 1000)

interface Holder {
  pages: Page[]
  found: number
}

/** A pool that notes its copies, and a sequence that computes all of some tokens. */
function open(total: number) {
  const copies: [number, number][] = []
  const pool = new PagePool(total, (from, to) => copies.push([from, to]))
  const compute = (ids: number[]): Holder => {
    const { pages, tokens } = pool.hold(ids, ids.length - 1)
    while (pages.length * PAGE < ids.length) assert.ok(pool.extend(pages), 'there is a page')
    pool.append(pages, tokens, ids.slice(tokens))
    return { pages, found: tokens }
  }
  const counts = () => {
    const { free, cached, used } = pool.counts
    return [free, cached, used]
  }
  return { pool, copies, compute, counts }
}

const indices = ({ pages }: Holder): number[] => pages.map(({ index }) => index)

test('a prefix is found to the token; the last token is always computed', () => {
  const { pool, compute, copies, counts } = open(8)
  const ids = text(200)
  const first = compute(ids)
  assert.is(first.found, 0)
  pool.release(first.pages)
  assert.equal(counts(), [4, 4, 0])
  const again = compute(ids)
  assert.is(again.found, 199)
  pool.release(again.pages)
  const longer = compute([...ids, 1, 2, 3])
  assert.is(longer.found, 200)
  pool.release(longer.pages)
  const other = compute([...ids.slice(0, 100), 5, 5, 5])
  assert.is(other.found, 100)
  assert.equal(indices(other).slice(0, 1), indices(first).slice(0, 1), 'whole pages are shared')
  assert.not.equal(indices(other)[1], indices(first)[1])
  assert.equal(copies.at(-1), [indices(first)[1], indices(other)[1]])
})

test('a text is forgotten as far as no other has its pages', () => {
  const { pool, compute, counts } = open(10)
  const [ids, other] = [text(200), [...text(128), 5, 5, 5]]
  for (const one of [ids, other]) pool.release(compute(one).pages)
  // Two whole pages in common, and two of its own.
  assert.equal(counts(), [5, 5, 0])
  pool.forgetText(text(199))
  assert.is(pool.find(ids, 200).tokens, 200, 'it is the beginning of another')
  const held = compute(ids)
  pool.forgetText(ids)
  assert.is(pool.find(ids, 200).tokens, 200, 'it is in use')
  pool.release(held.pages)
  pool.forgetText(ids)
  assert.is(pool.find(ids, 200).tokens, 128)
  assert.equal(counts(), [7, 3, 0])
  pool.forgetText(other)
  assert.is(pool.find(other, 131).tokens, 0)
  assert.equal(counts(), [10, 0, 0])
  pool.forgetText(ids)
  assert.equal(counts(), [10, 0, 0])
})

test('sequences side by side share whole pages, and each writes to its own last one', () => {
  const { pool, compute, counts } = open(10)
  const ids = text(150)
  const a = compute(ids)
  const b = compute(ids)
  assert.is(b.found, 149)
  assert.equal(indices(a).slice(0, 2), indices(b).slice(0, 2))
  assert.not.equal(indices(a)[2], indices(b)[2])
  assert.equal(counts(), [6, 0, 4])
  pool.append(a.pages, 150, [7])
  pool.append(b.pages, 150, [8])
  assert.is(pool.find([...ids, 7, 7], 152).tokens, 151)
  assert.is(pool.find([...ids, 8, 8], 152).tokens, 151)
  pool.release(a.pages)
  pool.release(b.pages)
  assert.equal(counts(), [6, 4, 0])
})

test('where no page is free the one let go longest ago makes place, and none that is held', () => {
  const { pool, compute, counts } = open(4)
  const a = compute(text(64, 1))
  const b = compute(text(64, 2))
  pool.release(a.pages)
  pool.release(b.pages)
  const c = compute(text(192, 3))
  assert.is(pool.find(text(64, 1), 64).tokens, 0, 'the oldest is gone')
  assert.is(pool.find(text(64, 2), 64).tokens, 64)
  assert.equal(counts(), [0, 1, 3])
  const d = pool.hold(text(64, 4), 63)
  assert.ok(pool.extend(d.pages))
  assert.is(pool.extend(d.pages), undefined, 'all are held')
  pool.release(d.pages)
  pool.release(c.pages)
  assert.is(pool.counts.used, 0)
})

test('of a chain the end goes first', () => {
  const { pool, compute } = open(4)
  const ids = text(256)
  pool.release(compute(ids).pages)
  pool.release(compute(text(64, 9)).pages)
  assert.is(pool.find(ids, 256).tokens, 192)
})

test('without a page for a copy the found one is cut short, if nobody else holds it', () => {
  const { pool, compute, copies } = open(1)
  pool.release(compute(text(60)).pages)
  const other = compute([...text(20), 5, 5])
  assert.equal([other.found, copies.length, indices(other)], [20, 0, [0]])
  const blocked = pool.hold([...text(20), 6, 6], 21)
  assert.equal([blocked.tokens, blocked.pages.length], [0, 0], 'it is being written to')
  assert.is(pool.counts.used, 1)
})

test('forgotten pages are found by nobody and are free once they are let go', () => {
  const { pool, compute, counts } = open(6)
  pool.release(compute(text(100, 1)).pages)
  const held = compute(text(100, 2))
  pool.forget()
  assert.equal(counts(), [4, 0, 2])
  assert.is(pool.find(text(100, 2), 99).tokens, 0)
  while (held.pages.length < 3) pool.extend(held.pages)
  pool.release(held.pages)
  assert.equal(counts(), [6, 0, 0])
})

test('a text that gives up its beginning again and again keeps nothing of it', () => {
  const { pool, compute } = open(4)
  const { pages } = compute(text(192))
  for (let round = 0; round < 50; round++) {
    pool.release(pages.splice(0, 1))
    assert.ok(pool.own(pages, 0))
    assert.ok(pool.extend(pages))
    pool.append(pages, 128, text(64, round))
  }
  let behind = 0
  for (let page = pages.at(-1)!.parent; page; page = page.parent) behind++
  assert.ok(behind < pages.length, `${behind} pages behind the last`)
  pool.release(pages)
  assert.is(pool.counts.used, 0)
})

test('ten thousand random moves lose no page and mix no texts', () => {
  let state = 12345
  const random = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 4294967296) * n)
  }
  const contents: number[][] = Array.from({ length: 12 }, () => [])
  const pool = new PagePool(12, (from, to) => {
    contents[to] = [...contents[from]!]
  })
  const held: { ids: number[]; pages: Page[]; computed: number }[] = []
  for (let move = 0; move < 10_000; move++) {
    if (held.length > 0 && random(3) === 0) pool.release(held.splice(random(held.length), 1)[0]!.pages)
    else if (held.length < 5 && random(2) === 0) {
      const ids = Array.from({ length: 1 + random(200) }, (_, i) => (i % 50 === random(120) ? random(3) : i % 5))
      const { pages, tokens } = pool.hold(ids, ids.length - 1)
      held.push({ ids, pages, computed: tokens })
    } else if (held.length > 0) {
      const one = held[random(held.length)]!
      const count = Math.min(one.ids.length - one.computed, 1 + random(70))
      while (one.pages.length * PAGE < one.computed + count && pool.extend(one.pages));
      const given = Math.max(0, Math.min(count, one.pages.length * PAGE - one.computed))
      const ids = one.ids.slice(one.computed, one.computed + given)
      for (const [i, id] of ids.entries()) {
        const at = one.computed + i
        contents[one.pages[Math.floor(at / PAGE)]!.index]![at % PAGE] = id
      }
      pool.append(one.pages, one.computed, ids)
      one.computed += given
    }
    if (random(500) === 0) pool.forget()
    for (const { ids, pages, computed } of held) {
      for (let at = 0; at < computed; at++) {
        assert.is(contents[pages[Math.floor(at / PAGE)]!.index]![at % PAGE], ids[at], `move ${move}, token ${at}`)
      }
    }
    if (move % 100 === 0) assert.is(new Set(held.flatMap(({ pages }) => pages)).size, pool.counts.used)
  }
  for (const { pages } of held) pool.release(pages)
  assert.is(pool.counts.used, 0)
})

test.run()
