/**
 * The same bits on any number of threads, for any size of batch, in the simd and the relaxed build, on two engines: what is
 * beyond the conformance tests, which do the full product and every type of weights.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type LoadOptions, load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SMOLLM, STORIES } from '../api-helpers.ts'
import { sharedGgufFiles } from '../gguf-helpers.ts'
import { kinFiles } from '../kin-files.ts'
import { hasShared, sharedTest } from '../shared.ts'

interface Case {
  path: string
  tokens: number
  options: LoadOptions
}

const NODE24 = 'tests/runtimes/node_modules/node24/bin/node'
const TOKENS = 200
const THREADS = [1, 2, 3, 4]
const BATCHES = [1, 7, 64, TOKENS]
/** Each number of threads and each batch once. */
const DIAGONAL = THREADS.map((threads, i) => ({ threads, batch: BATCHES[(i + 3) % 4]! }))

/** The hashes of the cases, from a process of its own. */
function run(node: string, cases: readonly Case[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, ['tests/engine/bits-run.mjs'], { stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0 && stderr === '') resolve(JSON.parse(stdout))
      else reject(new Error(`exit code ${code}\n${stderr}`))
    })
    child.stdin.end(JSON.stringify(cases))
  })
}

/** The first of each kind is what all others must equal. */
const reference = new Map<string, string>()
const keyOf = ({ path, options }: Case): string => `${path} with KV ${options.kv}`

async function check(node: string, cases: readonly Case[]): Promise<void> {
  const hashes = await run(node, cases)
  assert.is(hashes.length, cases.length)
  for (const [i, hash] of hashes.entries()) {
    const key = keyOf(cases[i]!)
    if (!reference.has(key)) reference.set(key, hash)
    assert.is(hash, reference.get(key), `${key}, ${JSON.stringify(cases[i]!.options)}`)
  }
}

const KV = ['f32', 'f16'] as const
function casesOf(path: string, tokens: number, ways: readonly LoadOptions[], isa: 'simd' | 'relaxed'): Case[] {
  return KV.flatMap((kv) => ways.map((way) => ({ path, tokens, options: { context: 256, kv, isa, ...way } })))
}

/** One of each variant of the architecture. */
const small = [
  ...sharedGgufFiles('goldens/tiny'),
  ...sharedGgufFiles('goldens/experts'),
  ...kinFiles().map(({ gguf }) => gguf),
]
/** The diagonal with one KV type, and a way or two with the other. */
const someCases = (path: string, tokens: number, isa: 'simd' | 'relaxed'): Case[] => [
  ...casesOf(path, tokens, DIAGONAL, isa).filter(({ options }) => options.kv === 'f16'),
  ...casesOf(path, tokens, DIAGONAL.slice(0, 2), isa).filter(({ options }) => options.kv === 'f32'),
]

function node24Test(name: string, run: () => Promise<void>): void {
  if (existsSync(NODE24)) test(name, run)
  else if (process.env.CI) {
    test(name, () => {
      throw new Error(`${NODE24} is absent: npm ci --prefix tests/runtimes`)
    })
  } else test.skip(`${name} (no ${NODE24})`)
}

sharedTest('simd: small models of every variant', async () => {
  assert.ok(small.length > 0)
  await check(
    process.execPath,
    small.flatMap((path) => someCases(path, 50, 'simd')),
  )
})

sharedTest('simd: SmolLM2', async () => {
  await check(process.execPath, someCases(SMOLLM, TOKENS, 'simd'))
})

if (hasShared) {
  node24Test('relaxed: small models of every variant', async () => {
    await check(
      NODE24,
      small.flatMap((path) => someCases(path, 50, 'relaxed')),
    )
  })
  node24Test('relaxed: SmolLM2', async () => {
    await check(NODE24, someCases(SMOLLM, TOKENS, 'relaxed'))
  })
}

sharedTest('the hashes tell one KV type from the other', () => {
  const [f32, f16] = KV.map((kv) => reference.get(`${SMOLLM} with KV ${kv}`))
  assert.ok(f32 && f16 && f32 !== f16)
})

test('token by token, the logits are those of the prompt in one piece', async () => {
  const model = await load(STORIES, { threads: 2, context: 256 })
  const { ids } = await model.generate('', { temperature: 0, maxTokens: 100 }).result()
  const { data, shape } = await model.logits([1, ...ids])
  for (const [i, id] of ids.entries()) {
    const row = data.subarray(i * shape[1], (i + 1) * shape[1])
    assert.is(row.indexOf(row.reduce((a, b) => Math.max(a, b))), id, `token ${i}`)
  }
  await model.close()
})

test.run()
