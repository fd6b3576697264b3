/**
 * The scheduler over an engine that shows what each row sees: its own tokens, whatever comes, goes, steps back or is
 * aborted; nobody waits for ever, and no page is lost.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PAGE } from '../../assembly/layout.ts'
import type { MemoryError } from '../../js/errors.ts'
import { Scheduler, type Task } from '../../js/scheduler/scheduler.ts'
import { Expected, FakeEngine, type FakeOptions, POISON, savedPages } from './fake-engine.ts'

type Random = (n: number) => number

function numbers(seed: number): Random {
  let state = seed * 7919 + 1
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * n)
  }
}

/** Passes take as long as they have rows, and nothing else takes time: what is scheduled is the same each time. */
let clock = 0
performance.now = () => clock

/** Turns without a pass, after which nothing will come any more. */
const SPINS = 20_000

interface TaskOptions {
  generate?: number
  priority?: number
  output?: 'logits' | 'hidden'
  /** The first position that is wanted; default: the last. */
  first?: number
  keep?: number
  onTake?: () => void
}

/** A text that grows, and compares what it is given with what it should be. */
class Text implements Task {
  readonly ids: number[]
  readonly priority: number
  readonly output: 'logits' | 'hidden'
  readonly shift?: Task['shift']
  wanted: number
  /** Tokens that were generated. */
  made = 0
  begun = 0
  private shifted = false

  constructor(
    prompt: readonly number[],
    private readonly context: number,
    private readonly options: TaskOptions = {},
  ) {
    this.ids = [...prompt]
    this.priority = options.priority ?? 0
    this.output = options.output ?? 'logits'
    this.wanted = options.first ?? prompt.length - 1
    const { keep } = options
    if (keep === undefined) return
    this.shift = {
      keep,
      drop: (from, count) => {
        this.ids.splice(from, count)
        this.wanted -= count
        this.shifted = true
      },
    }
  }

  begin(): void {
    this.begun++
  }

  take(position: number, values: Float32Array): boolean {
    assert.is(position, this.wanted)
    const expected = new Expected()
    for (const id of this.ids.slice(0, position + 1)) expected.push(id)
    assert.is(values[1], expected.tokens, `tokens before ${position}`)
    // What was shifted was computed after other tokens.
    if (!this.shifted) assert.is(values[0], expected.chains, `what tokens before ${position} saw`)
    this.wanted++
    this.options.onTake?.()
    if (this.wanted < this.ids.length) return false
    if (this.made === (this.options.generate ?? 0)) return true
    if (!this.shift && this.ids.length === this.context) return true
    this.made++
    this.ids.push(values[1]! % 3)
    return false
  }
}

function open(options: FakeOptions, passMs?: number) {
  const fake = new FakeEngine(options)
  let idle = 0
  let turn = (): void => {}
  const breathe = async (): Promise<void> => {
    turn()
    if (++idle > SPINS) throw new Error('nothing goes on')
  }
  const { batch, parallel } = options
  const scheduler = new Scheduler(fake.engine, { batch, parallel, ...(passMs && { passMs }) }, breathe)
  /** `time`: milliseconds of a pass. */
  const setPass = (abort: () => boolean, time = (rows: number) => rows): void => {
    fake.onPass = (runs) => {
      idle = 0
      clock += time(runs.reduce((sum, { ids }) => sum + ids.length, 0))
      return abort()
    }
  }
  setPass(() => false)
  const text = (prompt: readonly number[], more: TaskOptions = {}): Text => new Text(prompt, options.context, more)
  return { fake, scheduler, setPass, text, onTurn: (what: () => void) => (turn = what) }
}

function noPageLost({ status }: Scheduler): void {
  const { running, waiting, kvPages } = status
  assert.equal([running, waiting, kvPages.used], [0, 0, 0])
  assert.is(kvPages.total, kvPages.free + kvPages.cached)
}

const ids = (length: number, seed = 0): number[] => {
  const random = numbers(seed + 1)
  return Array.from({ length }, () => random(3))
}

/** What became of a work: 'done', or the name of its error. */
const outcome = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: Error) => (['AbortError', 'NumericError'].includes(error.name) ? error.name : String(error)),
  )

/** Prompts that begin like earlier ones, often to the edge of a page or to their last token. */
function promptOf(random: Random, earlier: number[][], longest: number): number[] {
  const base = earlier.length > 0 && random(4) > 0 ? earlier[random(earlier.length)]! : []
  const edge = PAGE * random(4) + random(3) - 1
  const kept = base.slice(0, [base.length, random(base.length + 1), Math.max(0, edge)][random(3)])
  const fresh = Array.from({ length: random(2) ? random(5) : random(longest) }, () => random(3))
  const prompt = [...kept, ...fresh].slice(0, longest)
  if (prompt.length === 0) prompt.push(random(3))
  earlier.push(prompt)
  return prompt
}

/** One life of a scheduler: things happen between passes, within them, and while others take what they get. */
async function live(seed: number): Promise<void> {
  const random = numbers(seed)
  const context = [64, 100, 192, 200, 320][random(5)]!
  const kvPages = Math.ceil(context / PAGE) + random(3) * random(5)
  const options = { context, kvPages, batch: [1, 3, 8, 64][random(4)]!, parallel: 1 + random(6) }
  const { scheduler, setPass, text, onTurn } = open(options, random(3) === 0 ? 1 + random(30) : undefined)
  setPass(
    () => random(12) === 0,
    (rows) => random(3) * random(20) + rows * [0, 1, 1, 1, 50][random(5)]!,
  )
  const earlier: number[][] = []
  const alive = new Map<Text, Promise<string>>()
  const cancelled = new Set<Task>()
  const cancelOne = (): void => {
    const work = [...alive.keys()][random(alive.size)]
    if (!work) return
    cancelled.add(work)
    scheduler.cancel(work)
  }
  const ends: Promise<void>[] = []
  const add = (): void => {
    const prompt = [...promptOf(random, earlier, context)]
    const poisoned = random(15) === 0
    if (poisoned) prompt[random(prompt.length)] = POISON
    const work = text(prompt, {
      generate: random(3) * random(90),
      priority: random(3),
      output: random(5) === 0 ? 'hidden' : 'logits',
      ...(random(4) === 0 && { first: random(prompt.length) }),
      ...(context >= 3 * PAGE && random(4) === 0 && { keep: random(2) }),
      onTake: () => void (random(80) === 0 && cancelOne()),
    })
    const end = outcome(scheduler.run(work))
    alive.set(work, end)
    ends.push(
      end.then((what) => {
        alive.delete(work)
        if (cancelled.has(work) && what === 'AbortError') return
        assert.is(what, poisoned ? 'NumericError' : 'done', `seed ${seed}`)
        assert.is(work.begun, 1)
      }),
    )
  }
  const restore = (): void => {
    const ids = promptOf(random, earlier, context)
    try {
      scheduler.restore({ ids, pages: savedPages(ids) })
    } catch (error) {
      assert.is((error as MemoryError).code, 'CACHE_FULL')
    }
  }
  let left = 40
  onTurn(() => {
    if (left > 0 && random(8) === 0) left -= 1
    else return
    add()
    if (random(5) === 0) cancelOne()
    if (random(30) === 0) scheduler.reset()
    if (random(10) === 0) restore()
    const held = new Set([...alive.keys()].flatMap((work) => scheduler.pagesOf(work)))
    assert.is(scheduler.status.kvPages.used, held.size, `seed ${seed}`)
  })
  while (left > 0) {
    add()
    while (ends.length > 0) await ends.pop()
  }
  noPageLost(scheduler)
}

test('whatever comes and goes, each row sees its own tokens, all come to an end, and no page is lost', async () => {
  for (let seed = 0; seed < 100; seed++) await live(seed)
})

test('two that share a prompt do not wait for each other', async () => {
  const { fake, scheduler, text, onTurn } = open({ context: 1024, kvPages: 16, batch: 64, parallel: 16 })
  const prompt = ids(700)
  const low = text(prompt, { priority: -1 })
  let held = 0
  // It steps back while one of higher priority is after the same prompt, and is let in again in the next pass.
  const onTake = (): void => {
    const pages = scheduler.pagesOf(low).length
    if (held > 3 && pages === 0) scheduler.cancel(growing)
    held = pages
  }
  const growing = text(ids(60, 5), { generate: 500, onTake })
  const ends = [growing, low].map((work) => outcome(scheduler.run(work)))
  let waits = true
  onTurn(() => {
    if (!waits || fake.passes.length < 10) return
    waits = false
    ends.push(outcome(scheduler.run(text([...prompt, 1, 2, 3], { priority: 1 }))))
  })
  assert.is(await ends[1], 'done')
  assert.is(await ends[2], 'done')
  await ends[0]
  noPageLost(scheduler)
})

test('a stream goes on in every pass, however many prompts come', async () => {
  for (const length of [4, 30, 300]) {
    const { fake, scheduler, setPass, text } = open({ context: 512, kvPages: 64, batch: 64, parallel: 17 })
    setPass(
      () => false,
      (rows) => 50 + rows,
    )
    const stream = scheduler.run(text(ids(6), { generate: 60 }))
    while (fake.passes.length < 5) await Promise.resolve()
    const begun = fake.passes.length
    const works = Array.from({ length: 300 }, (_, i) => text(ids(length, i), { output: 'hidden', first: 0 }))
    const rest = scheduler.run(works)
    await stream
    assert.ok(fake.passes.length - begun < 60, `prompts of ${length}: ${fake.passes.length - begun} passes`)
    for (const work of works) scheduler.cancel(work)
    await outcome(rest)
    noPageLost(scheduler)
  }
})

test('works of one call wake up once a pass', async () => {
  const { fake, scheduler, text, onTurn } = open({ context: 64, kvPages: 64, batch: 64, parallel: 16 })
  let turns = 0
  onTurn(() => turns++)
  await scheduler.run(Array.from({ length: 1000 }, (_, i) => text(ids(8, i), { output: 'hidden', first: 0 })))
  assert.ok(turns <= fake.passes.length + 1, `${turns} turns, ${fake.passes.length} passes`)
})

test('where the clock stands still messages are let in all the same', async () => {
  const { fake, scheduler, setPass, text, onTurn } = open({ context: 128, kvPages: 4, batch: 8, parallel: 1 })
  setPass(
    () => false,
    () => 0,
  )
  let turns = 0
  onTurn(() => turns++)
  await scheduler.run(text(ids(8), { generate: 50 }))
  assert.ok(turns >= fake.passes.length, `${turns} turns, ${fake.passes.length} passes`)
})

test('one that fails ends those of its call, and no others', async () => {
  const { scheduler, text } = open({ context: 128, kvPages: 20, batch: 16, parallel: 4 })
  const call = scheduler.run([text(ids(90)), text([...ids(20, 1), POISON]), text(ids(90, 2), { generate: 30 })])
  const other = scheduler.run(text(ids(50, 3), { generate: 50 }))
  assert.is(await outcome(call), 'NumericError')
  assert.is(scheduler.status.running, 1)
  assert.is(await outcome(other), 'done')
  noPageLost(scheduler)
})

test('a slow moment does not slow down what comes after', async () => {
  const { fake, scheduler, setPass, text } = open({ context: 4096, kvPages: 64, batch: 64, parallel: 4 }, 50)
  setPass(
    () => false,
    (rows) => (fake.passes.length === 2 ? 1000 : 1) * rows,
  )
  await scheduler.run(text(ids(2000)))
  assert.ok(fake.passes.length < 60, `${fake.passes.length} passes`)
})

test('one whose keys overflow fails at once, and those beside it go on meanwhile', async () => {
  const { fake, scheduler, text } = open({ context: 512, kvPages: 64, batch: 64, parallel: 8 })
  const streams = [1, 2, 3].map((seed) => text(ids(10, seed), { generate: 200 }))
  const ends = streams.map((work) => outcome(scheduler.run(work)))
  while (fake.passes.length < 20) await Promise.resolve()
  assert.is(await outcome(scheduler.run(text([...ids(10), POISON]))), 'NumericError')
  for (const { made } of streams) assert.ok(made > 5 && made < 50, `${made} tokens`)
  assert.equal(await Promise.all(ends), ['done', 'done', 'done'])
  noPageLost(scheduler)
})

test.run()
