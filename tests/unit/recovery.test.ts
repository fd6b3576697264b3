/** Calls that go on in another pool after the death of a worker, until it happens again at once. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Heard, RecoveringPool } from '../../js/api/recovery.ts'
import { ArgumentError, type CriaError, SourceError, WorkerError } from '../../js/errors.ts'
import type { CriaWarning } from '../../js/util/warn.ts'
import type { WorkerPool } from '../../workers/pool.ts'
import type { CallEvent } from '../../workers/protocol.ts'

/** The error that a promise rejects with, by class and code. */
async function failure(promise: Promise<unknown>): Promise<string> {
  const [{ status, ...outcome }] = await Promise.allSettled([promise])
  assert.is(status, 'rejected')
  const { name, code } = (outcome as { reason: CriaError }).reason
  return `${name} ${code}`
}

/** A pool that lives until it is told to die. */
class FakePool {
  advice = ' Advice.'
  advanced = false
  death: WorkerError | undefined
  closed = false

  constructor(readonly number: number) {}

  die(): never {
    this.death = new WorkerError('WORKER_DIED', `Worker 1 of pool ${this.number} died.${this.advice}`)
    throw this.death
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

/** Pools in the order they were made, and what is called once more each time. `fail`: the next loading fails with it. */
function recovering(loadsAgain = true) {
  const pools = [new FakePool(0)]
  const warnings: CriaWarning[] = []
  const state: { fail?: Error; loading?: Promise<void> } = {}
  const reload = async (): Promise<WorkerPool> => {
    // Two memories do not fit.
    assert.ok(pools.every(({ closed }) => closed))
    await state.loading
    if (state.fail) throw state.fail
    pools.push(new FakePool(pools.length))
    return pools.at(-1) as unknown as WorkerPool
  }
  const pool = new RecoveringPool(
    pools[0] as unknown as WorkerPool,
    (warning) => warnings.push(warning),
    loadsAgain ? reload : undefined,
  )
  const run = <T>(call: (pool: FakePool) => T | Promise<T>, signal?: AbortSignal, stuck?: () => number): Promise<T> =>
    pool.run('The call', signal, async (one) => call(one as unknown as FakePool), stuck)
  return { pools, warnings, state, pool, run }
}

test('a call is run again in the next pool, which all calls share; a warning tells', async () => {
  const { pools, warnings, run } = recovering()
  const numbers = await Promise.all(
    Array.from({ length: 3 }, () => run((pool) => (pool.number === 0 ? pool.die() : pool.number))),
  )
  assert.equal(numbers, [1, 1, 1])
  assert.is(pools.length, 2)
  assert.equal(warnings, [
    {
      code: 'WORKER_RESTARTED',
      message: 'Worker 1 of pool 0 died. The model is loaded again, and calls under way go on.',
    },
  ])
})

test('it fails where the next pool dies before any call has got further; the call after that begins anew', async () => {
  const { pools, run } = recovering()
  const [first] = await Promise.allSettled([run((pool) => pool.die())])
  assert.is((first as PromiseRejectedResult).reason.message, 'Worker 1 of pool 1 died. Advice.')
  assert.is(await run((pool) => (pool.number < 3 ? pool.die() : pool.number)), 3)
  assert.is(pools.length, 4)
})

test('it goes on as long as calls get further, its own or others, which bear with it for eight deaths', async () => {
  for (const [stuck, most] of [
    [() => 1, 50],
    [undefined, 9],
  ] as const) {
    const { pools, run } = recovering()
    const call = (pool: FakePool): number => {
      pool.advanced = true
      return pool.number < 50 ? pool.die() : pool.number
    }
    if (most === 50) assert.is(await run(call, undefined, stuck), 50)
    else assert.is(await failure(run(call)), 'WorkerError WORKER_DIED')
    assert.is(pools.length, most === 50 ? 51 : 9)
  }
})

test('what is no death is the call’s error, and so is a death where the model cannot be loaded again', async () => {
  const { run, pools } = recovering()
  const wrong = () => {
    throw new ArgumentError('WRONG', 'Wrong.')
  }
  assert.is(await failure(run(wrong)), 'ArgumentError WRONG')
  assert.is(pools.length, 1)
  const bytes = recovering(false)
  for (let i = 0; i < 2; i++) {
    assert.is(await failure(bytes.run((pool) => pool.die())), 'WorkerError WORKER_DIED')
  }
  assert.is(bytes.pools.length, 1)
  assert.equal(bytes.warnings, [])
})

test('where loading fails so do the calls; the next one tries it again', async () => {
  const { run, state } = recovering()
  state.fail = new SourceError('FILE_NOT_FOUND', 'Gone.')
  const calls = [0, 1].map(() => failure(run((pool) => (pool.number === 0 ? pool.die() : pool.number))))
  for (const call of calls) assert.is(await call, 'SourceError FILE_NOT_FOUND')
  delete state.fail
  assert.is(await run((pool) => pool.number), 1)
})

test('an abort and close end the wait for the next pool', async () => {
  const { run, state, pool, pools } = recovering()
  let release!: () => void
  state.loading = new Promise((resolve) => {
    release = resolve
  })
  const call = (one: FakePool): number => (one.number === 0 ? one.die() : one.number)
  const controller = new AbortController()
  const aborted = failure(run(call, controller.signal))
  const waiting = failure(run(call))
  controller.abort()
  assert.is(await aborted, 'AbortError ABORTED')
  const closing = pool.close()
  release()
  await closing
  assert.is(await waiting, 'ClosedError CLOSED')
  assert.ok(pools.every(({ closed }) => closed))
  assert.is(await failure(run(call)), 'ClosedError CLOSED')
})

const token = (id: number, text = 'x'): CallEvent => ({ event: 'token', id, text })
const prompt = (done: number): CallEvent => ({ event: 'prompt', done, total: 9 })

test('of what the next pool tells, the caller hears what is new', () => {
  const heard = new Heard()
  const news = (...events: CallEvent[]): CallEvent[] => events.filter((event) => heard.isNew(event))
  assert.equal(heard.restart(), [])
  const echo = token(-1)
  assert.equal(news(echo, prompt(4)), [echo, prompt(4)])
  assert.equal(heard.restart(), [])
  assert.equal(news(echo, prompt(2), prompt(4), prompt(9), token(5)), [prompt(9), token(5)])
  assert.equal(heard.restart(), [5])
  assert.equal(news(echo, token(5), prompt(9), token(6), token(7)), [token(6), token(7)])
  // What is flushed at the end, too.
  assert.equal(heard.restart(), [5, 6, 7])
  assert.equal(news(echo, token(5), token(6), token(7), token(-1)), [token(-1)])
  assert.equal(heard.restart(), [5, 6, 7])
  assert.equal(news(echo, token(5), token(6), token(7), token(-1)), [])
})

test('a token that contradicts what was heard is an error', () => {
  const heard = new Heard()
  heard.restart()
  assert.ok(heard.isNew(token(5)))
  heard.restart()
  assert.throws(
    () => heard.isNew(token(6)),
    (error: unknown) => error instanceof WorkerError && error.code === 'RESUME_DIFFERS',
  )
})

test('deaths count that found a generation at work and without progress', () => {
  const heard = new Heard()
  heard.restart()
  assert.is(heard.stuck(), 0)
  for (const [events, deaths] of [
    [[token(1)], 1],
    [[token(1)], 2],
    [[], 2],
    [[token(1), token(2)], 1],
    [[token(1), token(2)], 2],
  ] as const) {
    heard.restart()
    for (const event of events) heard.isNew(event)
    assert.is(heard.stuck(), deaths)
  }
})

test.run()
