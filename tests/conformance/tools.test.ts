/** What tools make in other runtimes is what they make here, to the byte: quantized tensors, importance matrices, ids. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RowQuantizer } from '../../js/quantize/row-quantizer.ts'
import { STORIES } from '../api-helpers.ts'
import { makeImatrix, makeModel } from '../quantize-helpers.ts'
import { all } from '../runtimes/all.ts'
import { startServer } from '../runtimes/driver.ts'
import { placeOf } from './material.ts'
import { runtimeTest } from './suite.ts'

const CASES = './cases.mjs'
const here = (await import(CASES)) as {
  quantized(argument: unknown): Promise<string[]>
  imatrix(argument: unknown): Promise<string[]>
  tokenized(argument: unknown): Promise<number[]>
}

/** Columns of the matrices, and the one that is quantized by importance. */
const COLUMNS = 256
const NAME = 'blk.0.ffn_up.weight'

/** A llama of one layer, one of whose weights is far out. */
const model = await makeModel({
  edit(name, values) {
    if (name === NAME) values[700] = 3
  },
})
const importance = await makeImatrix({
  [NAME]: { columns: COLUMNS, values: Float32Array.from({ length: COLUMNS }, (_, i) => ((i * 37) % 101) / 8) },
})
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const types = RowQuantizer.types.filter((type) => type !== 'F32')
const jobs = [
  { types, file: base64(model) },
  { types, file: base64(model), imatrix: base64(importance) },
]
const wanted: string[][] = await Promise.all(jobs.map(here.quantized))

const measured = {
  configurations: [{}, { batch: 7 }, { isa: 'simd' }].map((configuration) => ({ ...configuration, context: 64 })),
  ids: Array.from({ length: 100 }, (_, i) => (i * 7919 + 1) % 512),
  options: { context: 33, chunks: 3 },
}
const [matrix, ...others]: string[] = await here.imatrix({ model: STORIES, ...measured })

const text = 'Once upon a time … 🦙'
const ids = await here.tokenized({ model: STORIES, text })

const server = await startServer()
test.after(() => server.close())

test('types differ, and by importance', () => {
  assert.equal(others, [matrix, matrix])
  for (const hash of [...wanted.flat(), matrix!]) assert.match(hash, /^[0-9a-f]{64}$/)
  assert.is(new Set(wanted[0]).size, types.length)
  assert.ok(types.filter((_, i) => wanted[0]![i] !== wanted[1]![i]).length > types.length / 2)
})

for (const driver of all.filter(({ brief }) => !brief)) {
  runtimeTest(driver, 'quantized tensors, importance matrices and ids are those of Node', async () => {
    const runtime = await driver.start({ url: server.url })
    try {
      const place = placeOf(STORIES, driver.files ? undefined : server.url)
      assert.equal(await runtime.run('imatrix', { model: place, ...measured }), [matrix, ...others])
      assert.equal(await runtime.run('tokenized', { model: place, text }), ids)
      for (const [i, job] of jobs.entries()) {
        const hashes = await runtime.run<string[]>('quantized', job)
        // Edge functions have no wasm but what they are given.
        const without = hashes.every((hash) => hash === 'WASM_NEEDED')
        assert.is(without, driver.name === 'workerd')
        if (!without) assert.equal(hashes, wanted[i])
      }
    } finally {
      await runtime.close()
    }
  })
}

test.run()
