/** The conformance cases themselves: what they compare with is right, and what differs is found. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as cria from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { casesOf } from '../../js/conformance/cases.ts'
import { hashOf } from '../../js/conformance/hash.ts'
import { HASHES } from '../../js/conformance/hashes.ts'
import { conformance } from '../../js/conformance/index.ts'
import { STORIES } from '../api-helpers.ts'
import { shared, sharedTest } from '../shared.ts'
import { full } from './material.ts'

const configurations = [{ threads: 1 }, { threads: 2, batch: 7 }]

/** llama.cpp's ids of a vocabulary's texts, in the order of the material. */
function vectors(name: string): number[][] {
  const read = (kind: string): string => readFileSync(shared('vectors', 'tokenizers', `${name}.${kind}`), 'utf8')
  // The last line's end begins no line.
  const plain = read('out').split('\n').slice(0, -1)
  const hard = read('hard.jsonl').split('\n').filter(Boolean)
  return [
    ...plain.map((line) => line.trim().split(/\s+/).filter(Boolean).map(Number)),
    ...hard.map((line) => (JSON.parse(line) as { ids: number[] }).ids),
  ]
}

sharedTest('the hashes of tokenizers are those of llama.cpp’s ids and of the texts themselves', async () => {
  const vocabularies = Object.entries((await full(undefined)).vocabularies!)
  assert.ok(vocabularies.length > 0)
  for (const [name, { texts }] of vocabularies) {
    const ids = vectors(name)
    assert.is(ids.length, texts.length, name)
    assert.is(HASHES[`tokenizer ${name}`], hashOf(JSON.stringify([ids, texts])), name)
  }
})

test('a page or program gets a report: everything as everywhere', async () => {
  const heard: string[] = []
  const report = await conformance(cria, { stories: STORIES, configurations, onCase: ({ name }) => heard.push(name) })
  assert.equal(
    report.cases.filter(({ problem }) => problem),
    [],
  )
  assert.ok(report.ok && report.tokensPerSecond > 0)
  assert.equal(
    heard,
    report.cases.map(({ name }) => name),
  )
  assert.equal(
    heard,
    casesOf({ stories: STORIES, configurations }, report).map(({ name }) => name),
  )
})

test('one bit in one way of computing is found, and named', async () => {
  const flipped: typeof cria.load = async (input, options) => {
    const model = await cria.load(input, options)
    if (options?.batch !== 7) return model
    const { logits } = model
    model.logits = async (...args) => {
      const result = await logits.apply(model, args)
      new Uint32Array(result.data.buffer, result.data.byteOffset)[1000]! ^= 1
      return result
    }
    return model
  }
  const { ok, cases } = await conformance({ ...cria, load: flipped }, { stories: STORIES, configurations })
  assert.not(ok)
  const { problem } = cases.find(({ name }) => name === 'stories260K f16')!
  assert.match(problem!, '{"threads":2,"batch":7} gives other bits than {"threads":1}')
})

test('another hash, an unknown case, a wrong error: each is a problem', async () => {
  const other: typeof cria.loadTokenizer = async (...args) => {
    const tokenizer = await cria.loadTokenizer(...args)
    const { tokenize } = tokenizer
    tokenizer.tokenize = (text, options) => tokenize.call(tokenizer, `${text}!`, options)
    return tokenizer
  }
  const load: typeof cria.load = (input, options) => cria.load(options?.threads === 0 ? 'none' : input, { ...options })
  const models = { unknown: { input: STORIES } }
  const { ok, cases } = await conformance({ loadTokenizer: other, load }, { stories: STORIES, configurations, models })
  assert.not(ok)
  const problems = new Map(cases.map(({ name, problem }) => [name, problem]))
  assert.match(problems.get('tokenizer stories260K')!, /^The hash should be [0-9a-f]{16}\.$/)
  assert.is(problems.get('unknown'), 'No hash is known for it.')
  assert.is(problems.get('chat'), undefined)
})

test('cria conformance: code 0 and one hash; code 1 where anything differs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cria-'))
  try {
    for (const name of ['dist', 'models', 'package.json']) cpSync(name, join(folder, name), { recursive: true })
    const run = () => spawnSync(process.execPath, ['dist/cli.js', 'conformance'], { cwd: folder, encoding: 'utf8' })
    const good = run()
    assert.is(good.status, 0, good.stderr)
    assert.match(good.stdout, /^same bits as everywhere: [0-9a-f]{16}$/m)
    const chunks = join(folder, 'dist', 'chunks')
    for (const file of readdirSync(chunks)) {
      const code = readFileSync(join(chunks, file), 'utf8')
      writeFileSync(join(chunks, file), code.replaceAll(HASHES.sampler!, '0'.repeat(16)))
    }
    const bad = run()
    assert.is(bad.status, 1)
    assert.match(bad.stderr, /^✘ sampler: The hash should be 0{16}\.$/m)
    assert.match(bad.stdout, 'NOT AS EVERYWHERE')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
