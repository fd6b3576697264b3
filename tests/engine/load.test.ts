/** Streaming weights in: reads ahead into slots that are free, repacked as they are elsewhere, whatever comes between. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as L from '../../assembly/layout.ts'
import { Engine, type EngineOptions } from '../../js/engine/engine.ts'
import { fileRowBytes, MAX_SEGMENT_BYTES, segmentTensors } from '../../js/engine/plan.ts'
import { RepackQueue } from '../../js/engine/repack-queue.ts'
import type { Segment } from '../../js/engine/wasm.ts'
import { AbortError, FormatError, SourceError, WorkerError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { allTensors } from '../../js/models/tensors.ts'
import { bytesSource } from '../../js/source/memory.ts'
import type { Source } from '../../js/source/types.ts'
import { STORIES } from '../api-helpers.ts'
import { Build, FORMATS, repack } from '../kernel-harness.ts'

const FILE = readFileSync(STORIES)
const GGUF = await readGguf(bytesSource(FILE))
const module = (name: string) => new WebAssembly.Module(readFileSync(`build/wasm/${name}.wasm`))
const MODULES = { simd: module('simd'), threads: module('simd-threads') }

interface Flight {
  buffer: ArrayBufferLike
  from: number
  to: number
}

/** The file's bytes, some ticks late, the later reads often first; watches what is under way. */
class SlowSource implements Source {
  readonly name = 'slow'
  readonly size = FILE.length
  readonly offsets: number[] = []
  readonly flights = new Set<Flight>()
  most = 0
  largest = 0
  /** The read that fails, counted from 0. */
  failing = -1

  constructor(private readonly bytes: Uint8Array = FILE) {}

  async read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw new AbortError('Reading')
    const index = this.offsets.push(offset) - 1
    const flight = { buffer: target.buffer, from: target.byteOffset, to: target.byteOffset + target.length }
    for (const other of this.flights) {
      const apart = other.buffer !== flight.buffer || other.to <= flight.from || flight.to <= other.from
      assert.ok(apart, 'two reads under way have the same target')
    }
    this.flights.add(flight)
    this.most = Math.max(this.most, this.flights.size)
    this.largest = Math.max(this.largest, target.length)
    for (let ticks = (index * 7) % 5; ticks > 0; ticks--) await new Promise((resolve) => setImmediate(resolve))
    this.flights.delete(flight)
    if (index === this.failing) throw new SourceError('FILE_READ', 'The disk is broken; use another.', index)
    target.set(this.bytes.subarray(offset, offset + target.length))
  }

  async close(): Promise<void> {}
}

function allocated(options: Partial<EngineOptions> = {}, breathe?: () => Promise<void>): Engine {
  const engine = new Engine(
    GGUF,
    {
      context: 512,
      kv: 'f16',
      batch: 64,
      threads: 1,
      shared: false,
      maxSegmentBytes: MAX_SEGMENT_BYTES,
      ...options,
    },
    breathe,
  )
  engine.allocate(options.shared ? MODULES.threads : MODULES.simd)
  // Other threads are said to be ready, and never come.
  const { memory, control } = segmentsOf(engine)[0]!
  new Int32Array(memory.buffer)[(control + L.CONTROL_READY) >> 2] = L.MAX_THREADS
  return engine
}

const segmentsOf = (engine: Engine): Segment[] => (engine as unknown as { segments: Segment[] }).segments

/** Every tensor in the engine's memory is what repacking it whole gives. */
function checkWeights(engine: Engine): void {
  const build = new Build('simd')
  for (const [i, segment] of engine.plan.segments.entries()) {
    const { addresses } = segment
    const { buffer } = segmentsOf(engine)[i]!.memory
    for (const { matrix, vector } of segmentTensors(engine.tensors, segment)) {
      const { name, offset, bytes } = matrix ? matrix.info : vector!
      let want = new Uint8Array(FILE.subarray(offset, offset + bytes))
      if (matrix) {
        build.reset()
        const format = FORMATS.find(({ id }) => id === matrix.type.id)!
        const { at } = repack(build, format, want, matrix.rows, matrix.columns, matrix)
        want = new Uint8Array(build.bytes(at, matrix.packedBytes))
      }
      const found = new Uint8Array(buffer, addresses.get(name)!, want.length)
      assert.is(Buffer.compare(found, want), 0, name)
    }
  }
}

// Small batches leave little room for staging: fewer slots, windows of few rows.
const WAYS: Record<string, Partial<EngineOptions>> = {
  'one segment': {},
  'several segments': { maxSegmentBytes: 1_100_000 },
  'the least batch': { batch: 1, context: 1 },
  'the least batch, several segments': { batch: 1, context: 1, maxSegmentBytes: 500_000 },
  // Then windows wait in their slots as long as they may.
  'three threads that do not help': { shared: true, threads: 4 },
  'three threads that do not help, several segments': { shared: true, threads: 4, maxSegmentBytes: 1_100_000 },
}
for (const [name, options] of Object.entries(WAYS)) {
  test(`${name}: every tensor arrives, read in order of the file, a few reads ahead`, async () => {
    const engine = allocated(options)
    assert.is(engine.plan.segments.length > 1, options.maxSegmentBytes !== undefined)
    const source = new SlowSource()
    const progress: number[] = []
    await engine.load(source, (done) => progress.push(done))
    checkWeights(engine)
    assert.is(source.most, 2, 'reads at once')
    assert.equal(
      source.offsets,
      source.offsets.toSorted((a, b) => a - b),
    )
    assert.equal(
      progress,
      progress.toSorted((a, b) => a - b),
    )
    const room = Math.max(...engine.plan.segments.map(({ staging }) => staging.bytes))
    assert.ok(source.largest <= room)
    engine.close()
  })
}

test('staging has room for eight rows of the widest matrix in every segment', () => {
  for (const options of Object.values(WAYS)) {
    const { plan, tensors } = allocated(options)
    for (const { staging } of plan.segments) {
      for (const { matrix } of allTensors(tensors)) {
        if (matrix) assert.ok(staging.bytes >= 8 * fileRowBytes(matrix))
      }
    }
  }
})

test('of two bad tensors the earlier one in the file is named', async () => {
  const order = [...GGUF.tensors.values()].sort((a, b) => a.offset - b.offset)
  for (const [first, second] of [
    [3, 4],
    [10, 12],
    [order.length - 2, order.length - 1],
  ] as const) {
    const bytes = Uint8Array.from(FILE)
    for (const i of [first, second]) bytes.fill(0xff, order[i]!.offset, order[i]!.offset + 8)
    const error = await allocated()
      .load(new SlowSource(bytes), () => {})
      .catch((thrown: unknown) => thrown)
    assert.instance(error, FormatError)
    assert.equal(
      [(error as FormatError).code, (error as FormatError).value],
      ['NON_FINITE_WEIGHTS', order[first]!.name],
    )
  }
})

test('a read that fails ends loading with its error, an abort with an AbortError; nothing else is rejected', async () => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', listener)
  const { length } = await (async () => {
    const source = new SlowSource()
    await allocated().load(source, () => {})
    return source.offsets
  })()
  for (const failing of [0, 1, 7, length - 1]) {
    const source = new SlowSource()
    source.failing = failing
    const error = await allocated()
      .load(source, () => {})
      .catch((thrown: unknown) => thrown)
    assert.instance(error, SourceError)
    assert.is((error as SourceError).value, failing)
  }
  for (const share of [0, 0.3, 0.9]) {
    const controller = new AbortController()
    const onBytes = (done: number, total: number): void => {
      if (done >= total * share) controller.abort()
    }
    const error = await allocated()
      .load(new SlowSource(), onBytes, controller.signal)
      .catch((thrown: unknown) => thrown)
    assert.instance(error, AbortError)
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  process.off('unhandledRejection', listener)
  assert.equal(unhandled, [])
})

test('where it must, loading comes up for air', async () => {
  let breaths = 0
  const engine = allocated({}, async () => void breaths++)
  const busy: Source = {
    ...bytesSource(FILE),
    async read(target, offset) {
      for (const end = performance.now() + 10; performance.now() < end; );
      target.set(FILE.subarray(offset, offset + target.length))
    },
  }
  await engine.load(busy, () => {})
  assert.ok(breaths >= 5, `${breaths} breaths`)
  checkWeights(engine)
})

/** A ring in a memory of its own, whose repack adds up what it is asked for. */
function ring(threads: number) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const seen: number[][] = []
  const exports = {
    repack: (...job: number[]) => {
      seen.push(job)
      return job[0] === 99 ? L.REPACK_UNKNOWN_TYPE : 0
    },
  }
  const segment = { memory, control: 1024, exports } as unknown as Segment
  return { jobs: new RepackQueue([segment, segment], threads), seen, words: new Int32Array(memory.buffer, 1024) }
}

const job = (tensor: number) => ({
  segment: tensor % 2,
  tensor,
  src: 0xffff_0000,
  rowBytes: 18,
  firstRow: 24,
  rows: 8,
})

test('jobs: all run, in the order they were published, more of them than the ring holds', () => {
  const { jobs, seen } = ring(1)
  for (let tensor = 0; tensor < 3 * L.JOBS; tensor++) {
    jobs.publish(job(tensor))
    assert.is(jobs.wait(tensor), 0)
    assert.equal(seen[tensor], [tensor, 0xffff_0000, 18, 24, 8])
  }
  jobs.publish(job(99))
  assert.is(jobs.wait(3 * L.JOBS), L.REPACK_UNKNOWN_TYPE)
})

test('jobs: one for each other thread is left to them; what they do not take is done in the end', () => {
  const { jobs, seen } = ring(3)
  for (let tensor = 0; tensor < L.JOBS; tensor++) jobs.publish(job(tensor))
  assert.is(seen.length, L.JOBS - 2)
  assert.is(jobs.wait(L.JOBS - 1), 0)
  assert.is(seen.length, L.JOBS)
  assert.is(jobs.wait(0), 0)
})

test('jobs: the death of a thread that has claimed one ends the wait for it', () => {
  const { jobs, seen, words } = ring(2)
  jobs.publish(job(1))
  Atomics.add(words, L.CONTROL_CLAIMED >> 2, 1)
  Atomics.store(words, L.CONTROL_POISON >> 2, 1)
  assert.throws(
    () => jobs.wait(0),
    (error: unknown) => error instanceof WorkerError && error.code === 'WORKER_DIED',
  )
  assert.is(seen.length, 0)
})

test.run()
