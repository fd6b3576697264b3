/** Perplexity against llama-perplexity's estimates (../shared/goldens), and its file of log-probabilities. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Model } from '../../js/api/types.ts'
import { AbortError, ArgumentError, FormatError } from '../../js/errors.ts'
import { load } from '../../js/index.ts'
import { readBaseHeader, rowBytes, writeBaseRow } from '../../js/perplexity/base-file.ts'
import { compareWithBase, writeBase } from '../../js/perplexity/divergence.ts'
import { softmax } from '../../js/perplexity/softmax.ts'
import { quantile } from '../../js/perplexity/statistics.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { cria, withFolder } from '../cli-helpers.ts'
import { concat, random, rejects } from '../gguf-helpers.ts'
import { hasShared, shared, sharedTest } from '../shared.ts'

const BUILT_IN = 'models/stories260K.gguf'
const TEXT = 'perplexity.txt'

interface Native {
  context: number
  estimates: number[]
}

/** llama-perplexity's estimates by the model's name. */
const native = new Map<string, Native>(
  hasShared
    ? Object.entries(JSON.parse(readFileSync(shared('goldens', 'real.json'), 'utf8')) as Record<string, Native>)
        .filter(([key]) => key.startsWith('perplexity '))
        .map(([key, value]) => [key.slice('perplexity '.length), value])
    : [],
)

function modelPath(name: string): string {
  const found = readdirSync(shared('models')).find((file) => file.startsWith(name) && file.endsWith('.gguf'))
  return found ? shared('models', found) : `models/${name}.gguf`
}

/** Of large models only the first chunks, to save time. */
const LARGE = 10_000_000
const FEW = 3

if (!hasShared) sharedTest('perplexity', () => {})
for (const [name, { context, estimates }] of native) {
  sharedTest(`${name}: the estimates are llama-perplexity's, within 2% a chunk and 0.5% in the end`, async () => {
    const path = modelPath(name)
    const chunks = statSync(path).size > LARGE ? FEW : estimates.length
    // As native's: a cache in f32.
    const model = await load(path, { context, kv: 'f32' })
    try {
      const text = readFileSync(shared('goldens', TEXT), 'utf8').replace(/\n$/, '')
      const result = await model.perplexity(text, { context, chunks })
      assert.is(result.estimates.length, chunks)
      assert.is(result.tokens, chunks * (context - 1 - Math.floor(context / 2)))
      for (const [i, estimate] of result.estimates.entries()) {
        assert.ok(Math.abs(estimate / estimates[i]! - 1) < 0.02, `chunk ${i}: ${estimate}, native ${estimates[i]}`)
      }
      assert.is(result.estimates.at(-1), result.perplexity)
      const off = Math.abs(result.perplexity / estimates[chunks - 1]! - 1)
      if (chunks === estimates.length) assert.ok(off < 0.005, `${result.perplexity}, native ${estimates.at(-1)}`)
      assert.ok(result.uncertainty > 0 && result.uncertainty < result.perplexity)
    } finally {
      await model.close()
    }
  })
}

async function withModel(run: (model: Model) => Promise<void>): Promise<void> {
  const model = await load(BUILT_IN, { threads: 1 })
  try {
    await run(model)
  } finally {
    await model.close()
  }
}

const STORY =
  'Once upon a time there was a little girl named Lily. She loved to play with her toys in the park. '.repeat(12)

test('a perplexity is that of the logits', () =>
  withModel(async (model) => {
    const context = 32
    const ids = model.tokenize(STORY, { special: false })
    const { perplexity, estimates } = await model.perplexity(STORY, { context, chunks: 2 })
    assert.is(estimates.length, 2)
    let sum = 0
    let count = 0
    for (const start of [0, context]) {
      const chunk = ids.slice(start, start + context)
      chunk[0] = 1
      const { data, shape } = await model.logits(chunk)
      for (let i = context / 2; i < context - 1; i++, count++) {
        const row = Array.from(data.subarray(i * shape[1], (i + 1) * shape[1]))
        const total = Math.log(row.reduce((all, logit) => all + Math.exp(logit), 0))
        sum += total - row[ids[start + i + 1]!]!
      }
    }
    assert.ok(Math.abs(Math.exp(sum / count) / perplexity - 1) < 1e-9)
    assert.equal((await model.perplexity(ids, { context, chunks: 2 })).estimates, estimates)
  }))

test('logits from a token on are the same as with those before', () =>
  withModel(async (model) => {
    const ids = model.tokenize(STORY).slice(0, 100)
    const all = await model.logits(ids)
    for (const from of [1, 63, 64, 70, 99, 100]) {
      const { data, shape } = await model.logits(ids, { from })
      assert.equal(shape, [ids.length - from, all.shape[1]])
      assert.equal(data, all.data.slice(from * all.shape[1]))
    }
    await rejects(model.logits(ids, { from: 101 }), ArgumentError, 'INVALID_OPTION')
  }))

test('texts that are too short, options out of range and aborts are refused', () =>
  withModel(async (model) => {
    await rejects(model.perplexity('Once'), ArgumentError, 'TEXT_SHORT')
    await rejects(model.perplexity(STORY, { context: 3 }), ArgumentError, 'INVALID_OPTION')
    await rejects(model.perplexity(STORY, { context: model.info.context + 1 }), ArgumentError, 'INVALID_OPTION')
    await rejects(model.perplexity(STORY, { context: 32, chunks: 0 }), ArgumentError, 'INVALID_OPTION')
    const abort = new AbortController()
    const aborted = model.perplexity(STORY, { context: 32, onChunk: () => abort.abort(), signal: abort.signal })
    await rejects(aborted, AbortError, 'ABORTED')
    assert.is((await model.perplexity(STORY, { context: 32, chunks: 1 })).estimates.length, 1)
  }))

test('a row of the base file is within half a step of the log-probabilities', () => {
  const next = random(5)
  for (const vocabulary of [5, 512]) {
    const logits = Float32Array.from({ length: vocabulary }, () => (next() / 2 ** 32 - 0.5) * 24)
    const row = new DataView(new ArrayBuffer(rowBytes(vocabulary)))
    const normal = softmax(logits)
    writeBaseRow(row, logits, normal)
    const scale = row.getFloat32(0, true)
    const least = row.getFloat32(4, true)
    for (const [i, logit] of logits.entries()) {
      const want = Math.max(logit, normal.max - 16) - normal.max - normal.logSum
      const got = least + scale * row.getUint16(8 + 2 * i, true)
      assert.ok(Math.abs(got - want) < scale * 0.51 + 2e-6, `${i}: ${got}, not ${want}`)
    }
  }
})

const quiet = () => {}

test('a model does not differ from itself, and from another by what the logits say', () =>
  withModel(async (model) => {
    const options = { context: 32, chunks: 3 }
    const file = await concat(writeBase(model, STORY, options, quiet))
    const header = await readBaseHeader(bytesSource(file))
    assert.is(file.length, 20 + 4 * 96 + 3 * 15 * rowBytes(model.info.vocabularySize))
    assert.equal(Array.from(header.tokens), model.tokenize(STORY, { special: false }).slice(0, 96))
    const rows: number[] = []
    const found = await compareWithBase(model, bytesSource(file), {}, (index) => rows.push(index))
    assert.equal(rows, [0, 1, 2])
    assert.is(found.count, 45)
    assert.ok(Math.abs(found.divergence.value) < 1e-5, String(found.divergence.value))
    assert.ok(found.sameTop.value > 0.9)
    assert.ok(Math.abs(found.logRatio.value) < 0.05)
    // A base that finds all tokens equally likely: the divergence is ln V less the entropy the other way about.
    const vocabulary = model.info.vocabularySize
    const even = file.slice()
    const view = new DataView(even.buffer)
    for (let at = 20 + 4 * 96; at < even.length; at += rowBytes(vocabulary)) {
      even.fill(0, at, at + rowBytes(vocabulary))
      view.setFloat32(at + 4, -Math.log(vocabulary), true)
    }
    const other = await compareWithBase(model, bytesSource(even), { chunks: 1 }, quiet)
    const ids = Array.from(header.tokens.subarray(0, 31))
    ids[0] = 1
    const { data } = await model.logits(ids, { from: 16 })
    let want = 0
    for (let row = 0; row < 15; row++) {
      const logits = data.subarray(row * vocabulary, (row + 1) * vocabulary)
      const { max, logSum } = softmax(logits)
      for (const logit of logits) want += (max + logSum - logit - Math.log(vocabulary)) / vocabulary / 15
    }
    assert.ok(Math.abs(other.divergence.value - want) < 1e-4, `${other.divergence.value}, not ${want}`)
    assert.ok(Math.abs(other.logPerplexityBase.value - Math.log(vocabulary)) < 1e-5)
  }))

test('files of log-probabilities that are not sound are refused', () =>
  withModel(async (model) => {
    const file = await concat(writeBase(model, STORY, { context: 32, chunks: 2 }, quiet))
    const compare = (bytes: Uint8Array) => compareWithBase(model, bytesSource(bytes), {}, quiet)
    const changed = (at: number, value: number) => {
      const copy = file.slice()
      new DataView(copy.buffer).setInt32(at, value, true)
      return copy
    }
    await rejects(compare(file.subarray(0, 10)), FormatError, 'KL_BASE')
    await rejects(compare(file.subarray(0, file.length - 1)), FormatError, 'KL_BASE')
    await rejects(compare(changed(0, 0)), FormatError, 'KL_BASE')
    for (const value of [0, -1, 2 ** 31 - 1]) {
      for (const at of [8, 12, 16]) await rejects(compare(changed(at, value)), FormatError, 'KL_BASE')
    }
    await rejects(compare(changed(20, -5)), FormatError, 'KL_BASE')
    await rejects(compare(changed(12, 511)), ArgumentError, 'KL_BASE_OTHER')
  }))

test('quantiles lie between neighbours', () => {
  assert.equal(
    [0, 0.5, 0.75, 1].map((share) => quantile([1, 2, 4, 8, 16], share)),
    [1, 4, 8, 16],
  )
  assert.is(quantile([1, 2], 0.25), 1.25)
})

test('the command line prints estimates and tables, and keeps to one file', () =>
  withFolder(async (folder) => {
    const base = join(folder, 'base.kld')
    const args = ['perplexity', '-m', BUILT_IN, '-c', '32', '--chunks', '8']
    const plain = await cria([...args, '-f', '-'], { input: `${STORY}\n` })
    assert.match(plain.stdout, /^(\[\d+\]\d+\.\d{4},)+\nFinal estimate: PPL = \d+\.\d{4} \+\/- \d+\.\d{5}\n$/)
    assert.is(plain.code, 0)
    const written = await cria([...args, '-f', '-', '--kl-divergence-base', base], { input: STORY })
    assert.is(written.stdout, plain.stdout)
    assert.is((await cria([...args, '-f', '-', '--kl-divergence-base', base], { input: STORY })).code, 1)
    const compared = await cria(['perplexity', '-m', BUILT_IN, '--kl-divergence-base', base, '--kl-divergence'])
    assert.is(compared.code, 0, compared.stderr)
    for (const line of ['Mean PPL(Q)', 'Mean    KLD', 'Maximum KLD', '99.9%   KLD', 'Median  KLD', 'Same top p']) {
      assert.ok(compared.stdout.includes(line), line)
    }
    assert.equal(readdirSync(folder), ['base.kld'])
    const short = await cria(['perplexity', '-m', BUILT_IN, '-f', '-', '--kl-divergence-base', join(folder, 'x')], {
      input: 'Once',
    })
    assert.is(short.code, 1)
    assert.match(short.stderr, /TEXT_SHORT/)
    assert.not.ok(existsSync(join(folder, 'x')))
    for (const wrong of [
      [],
      ['-f', 'x', 'y'],
      ['--kl-divergence'],
      ['--kl-divergence', '-f', 'x', '--kl-divergence-base', 'y'],
    ]) {
      assert.is((await cria(['perplexity', '-m', BUILT_IN, ...wrong])).code, 2, wrong.join(' '))
    }
  }))

test.run()
