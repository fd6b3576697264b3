/** capabilities(): what it tells, where nothing works too; and that `load` does what it says. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { capabilities } from '../../js/api/capabilities.ts'
import { type CriaError, load } from '../../js/index.ts'
import { STORIES } from '../api-helpers.ts'

/** Runs with globals replaced (undefined: deleted). */
function withGlobals<T>(globals: Record<string, unknown>, run: () => T): T {
  const kept = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const)
  try {
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
    }
    return run()
  } finally {
    for (const [name, descriptor] of kept) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor)
      else delete (globalThis as Record<string, unknown>)[name]
    }
  }
}

test('load takes what capabilities tell', async () => {
  const told = capabilities()
  assert.equal([told.runtime.name, told.runtime.version], ['Node', process.versions.node])
  assert.ok(told.simd && told.sharedMemory && told.workers)
  assert.is(told.maxMemory, 2 ** 32)
  const model = await load(STORIES)
  const { threads, isa, shared } = model.info
  assert.equal([threads, isa, shared], [told.threads, told.isa, told.sharedMemory])
  await model.close()
})

test('it says why: the build, the threads', () => {
  const { why, isa, threads, cores } = capabilities()
  const unless = isa === 'relaxed' ? ', unless a trial at load finds the simd build faster' : ''
  assert.match(why, new RegExp(`^The ${isa} build runs, as this engine has (no )?relaxed SIMD${unless}; `))
  if (threads > 1) assert.match(why, new RegExp(`${threads} threads`))
  else assert.match(why, cores === 1 ? 'one core' : 'one thread, as')
})

test('without shared memory it says so', () => {
  const told = withGlobals({ SharedArrayBuffer: undefined }, capabilities)
  assert.equal([told.sharedMemory, told.threads, told.workers], [false, 1, true])
  assert.match(told.why, 'one thread, as this page or runtime cannot share memory')
  assert.match(told.why, 'Cross-Origin-Opener-Policy')
})

test('whatever the engine lacks or refuses, it does not throw', () => {
  const refusing = {
    validate: () => {
      throw new Error('no')
    },
    Memory: class {
      constructor() {
        throw new RangeError('no')
      }
    },
  }
  for (const WebAssembly of [undefined, {}, refusing]) {
    const told = withGlobals({ WebAssembly }, capabilities)
    assert.equal([told.simd, told.relaxed, told.isa, told.maxMemory], [false, false, undefined, 0])
    assert.match(told.why, 'No build runs')
  }
  const half = {
    ...refusing,
    Memory: class {
      constructor({ maximum }: { maximum: number }) {
        if (maximum > 20_000) throw new RangeError('no')
      }
    },
  }
  assert.is(withGlobals({ WebAssembly: half }, capabilities).maxMemory, 2 ** 30)
})

test('a module that is given runs with one thread, in a worker or in process', async () => {
  const wasm = await WebAssembly.compile(readFileSync('dist/simd.wasm'))
  for (const inProcess of [false, true]) {
    const model = await load(STORIES, { wasm, inProcess })
    const { threads, shared, isa } = model.info
    assert.equal([threads, shared, isa], [1, false, 'simd'])
    assert.match((await model.generate('', { temperature: 0, maxTokens: 5 }).result()).text, /^Once/)
    await model.close()
  }
  for (const [options, code] of [
    [{ threads: 2 }, 'NO_SHARED_MEMORY'],
    [{ isa: 'relaxed' }, 'INVALID_OPTION'],
  ] as const) {
    const error = await load(STORIES, { wasm, ...options }).catch((error: Error) => error)
    assert.is((error as CriaError).code, code)
  }
})

test.run()
