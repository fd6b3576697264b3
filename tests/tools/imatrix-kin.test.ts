/**
 * Importance matrices of LLaMA's kin: of every golden the same bits however they are computed, and of some llama-imatrix's
 * files (tests/fixtures/imatrix/kin, which make-imatrix.sh beside it made).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { inspect, type LoadOptions, load, MemoryError, quantize } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat } from '../gguf-helpers.ts'
import { hasReferences, kinFiles } from '../kin-files.ts'
import { header, tensorBytes } from '../quantize-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

const TEXT = 'perplexity.txt'
const NATIVE = 'tests/fixtures/imatrix/kin'
const OPTIONS = { context: 64, chunks: 2, processOutput: true, dataset: TEXT } as const

/** llama.cpp adds up in f32. */
const CLOSE = 1e-5
/** The GELU of llama.cpp comes from a table of f16 values; cria's is exact to f32. */
const CLOSE_GELU = 2e-3

async function measure(path: string, options: LoadOptions = {}): Promise<Uint8Array> {
  const text = readFileSync(shared('goldens', TEXT), 'utf8').replace(/\n$/, '')
  // As native's: LongRoPE goes by the context.
  const model = await load(path, { context: OPTIONS.context, kv: 'f32', threads: 1, ...options })
  try {
    return await model.imatrix(text, OPTIONS)
  } finally {
    await model.close()
  }
}

async function floats(file: Uint8Array, name: string): Promise<Float32Array> {
  return new Float32Array((await tensorBytes(file, name)).buffer)
}

const files = kinFiles()

for (const file of readdirSync(NATIVE)) {
  const name = file.replace('.gguf', '')
  const kin = files.find((one) => one.name === name)
  if (!kin || !hasReferences(kin, true)) {
    test.skip(`${name}: llama-imatrix was not run on this model`)
    continue
  }
  const close = name.startsWith('gemma') ? CLOSE_GELU : CLOSE
  sharedTest(`${name}: the file is llama-imatrix's, its sums within ${close}`, async () => {
    const { gguf } = kin
    const want = new Uint8Array(readFileSync(`${NATIVE}/${file}`))
    const got = await measure(gguf)
    const { tensors, dataOffset } = await header(want)
    assert.ok(Buffer.from(got.subarray(0, dataOffset)).equals(want.subarray(0, dataOffset)), 'the header')
    for (const tensor of tensors.keys()) {
      const [mine, native] = [await floats(got, tensor), await floats(want, tensor)]
      if (tensor.endsWith('.counts')) assert.equal(mine, native, tensor)
      const off = mine.reduce((most, value, i) => Math.max(most, Math.abs(value / native[i]! - 1) || 0), 0)
      assert.ok(off < close, `${tensor}: ${off}`)
    }
  })
}

/** The smallest segments that the file's layers fit. */
async function segmentBytes(path: string): Promise<number> {
  const least = 65536
  const { problem } = await inspect(path, { context: OPTIONS.context, maxSegmentBytes: least })
  return problem instanceof MemoryError ? (problem.value as number) : least
}

for (const { name, gguf } of files) {
  sharedTest(
    `${name}: the same bits for any threads, batch and cut into segments; quantize takes the file`,
    async () => {
      const want = Buffer.from(await measure(gguf))
      const ways: LoadOptions[] = [
        { batch: 1 },
        { threads: 3, batch: 7 },
        { threads: 2, batch: 64 },
        { maxSegmentBytes: await segmentBytes(gguf) },
      ]
      for (const way of ways) assert.ok(want.equals(await measure(gguf, way)), JSON.stringify(way))
      // Whatever it lacks would be a warning.
      const onWarning = ({ code }: { code: string }) => assert.is(code, 'TENSOR_FALLBACK')
      await concat(quantize(gguf, 'Q4_K_M', { imatrix: want, threads: 1, onWarning }))
    },
  )
}

test.run()
