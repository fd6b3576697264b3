/**
 * Perplexity of LLaMA's kin against llama-perplexity's estimates (tests/fixtures/kin-perplexity.json, which
 * make-kin-perplexity.ts beside it made).
 */
import { readFileSync } from 'node:fs'
import { load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasReferences, kinFiles } from '../kin-files.ts'
import { shared, sharedTest } from '../shared.ts'

const { context, estimates } = JSON.parse(readFileSync('tests/fixtures/kin-perplexity.json', 'utf8')) as {
  context: number
  estimates: Record<string, number[]>
}

/** Of an estimate: both compute in f32, in another order. */
const CLOSE = 1e-5
/** The GELU of llama.cpp comes from a table of f16 values; cria's is exact to f32. */
const CLOSE_GELU = 5e-4

for (const file of kinFiles()) {
  const { name, gguf } = file
  if (!hasReferences(file, true)) {
    test.skip(`${name}: llama-perplexity was not run on this model`)
    continue
  }
  const close = name.startsWith('gemma') ? CLOSE_GELU : CLOSE
  sharedTest(`${name}: the estimates are llama-perplexity's, within ${close}`, async () => {
    const native = estimates[name]
    assert.ok(native, 'there are none: make them')
    const text = readFileSync(shared('goldens', 'perplexity.txt'), 'utf8').replace(/\n$/, '')
    const model = await load(gguf, { context, kv: 'f32', threads: 1 })
    try {
      const found = await model.perplexity(text, { context, chunks: native.length })
      assert.is(found.estimates.length, native.length)
      for (const [i, estimate] of found.estimates.entries()) {
        const off = Math.abs(estimate / native[i]! - 1)
        assert.ok(off < close, `chunk ${i}: ${estimate}, native ${native[i]}`)
      }
    } finally {
      await model.close()
    }
  })
}

test.run()
