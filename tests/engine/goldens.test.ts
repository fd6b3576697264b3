/** The model against references that nobody here wrote: ../shared/goldens. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WEIGHT_TYPES } from '../../js/models/weight-types.ts'
import { openEngine } from '../engine-harness.ts'
import { kinFiles } from '../kin-files.ts'
import { hasShared, readSafetensors, shared, sharedTest } from '../shared.ts'

interface Native {
  kl_mean: number
}

function names(folder: string): string[] {
  const path = shared('goldens', folder)
  if (!existsSync(path)) return []
  return readdirSync(path)
    .filter((name) => name.endsWith('.gguf'))
    .map((name) => name.slice(0, -'.gguf'.length))
    .sort()
}

function logProbabilities(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - most)
  const total = most + Math.log(sum)
  return Float64Array.from(logits, (logit) => logit - total)
}

/** Sum p · (log p − log q) in nats. */
function divergence(p: Float64Array, q: Float64Array): number {
  let kl = 0
  for (let i = 0; i < p.length; i++) kl += Math.exp(p[i]!) * (p[i]! - q[i]!)
  return kl
}

interface Comparison {
  difference: number
  kl: number
  most: number
}

const compare = (folder: string, name: string): Promise<Comparison> =>
  compareFiles(shared('goldens', folder, `${name}.gguf`), shared('goldens', folder, `${name}.safetensors`))

/** `wanted`: a tensor of the golden. */
async function compareFiles(gguf: string, safetensors: string, wanted = 'logits', context = 1024): Promise<Comparison> {
  const golden = readSafetensors(safetensors)
  const tokens = [...(golden.get('tokens')!.data as Int32Array)]
  const want = golden.get(wanted)!.data as Float32Array
  const engine = await openEngine(gguf, 'simd', { context })
  const got = await engine.allLogits(tokens)
  engine.close()
  assert.is(got.length, want.length)
  const vocabulary = want.length / tokens.length
  let difference = 0
  let kl = 0
  let most = 0
  for (let i = 0; i < want.length; i++) difference = Math.max(difference, Math.abs(got[i]! - want[i]!))
  for (let t = 0; t < tokens.length; t++) {
    const row = (x: Float32Array): Float64Array => logProbabilities(x.subarray(t * vocabulary, (t + 1) * vocabulary))
    const here = divergence(row(want), row(got))
    kl += here / tokens.length
    most = Math.max(most, here)
  }
  return { difference, kl, most }
}

const report: Record<string, Native> = hasShared
  ? JSON.parse(readFileSync(shared('goldens', 'report.json'), 'utf8'))
  : {}

if (!hasShared) sharedTest('goldens', () => {})

for (const name of names('tiny')) {
  test(`tiny/${name}: logits within 1e-4 of the reference`, async () => {
    const { difference } = await compare('tiny', name)
    assert.ok(difference < 1e-4, `largest difference ${difference}`)
  })
}

for (const { name, gguf, safetensors } of kinFiles()) {
  const check = async (wanted: string, context: number): Promise<void> => {
    const { difference, most } = await compareFiles(gguf, safetensors, wanted, context)
    assert.ok(most <= 1e-6, `KL ${most}`)
    assert.ok(difference <= 1e-3, `largest difference ${difference}`)
  }
  test(`kin/${name}: KL ≤ 1e-6 and logits within 1e-3 of the reference`, () => check('logits', 128))
  // LongRoPE's factors are those of the context that is asked for.
  if (!readSafetensors(safetensors).has('logitsOfLongContext')) continue
  test(`kin/${name}, in a long context`, () => check('logitsOfLongContext', 1024))
}

for (const name of names('types')) {
  // A mix is named after its main type; a type that has no kernels yet is refused, which tests/api/bad-input.test.ts covers.
  const type = name.replace(/_[SML]$/, '')
  if (!WEIGHT_TYPES.has(type)) continue
  test(`types/${name}: ${WEIGHT_TYPES.get(type)!.float ? 'logits' : 'KL'} against the reference`, async () => {
    const { difference, kl } = await compare('types', name)
    if (type === 'F32') assert.ok(difference < 1e-4, `largest difference ${difference}`)
    else if (WEIGHT_TYPES.get(type)!.float) assert.ok(difference < 1e-3, `largest difference ${difference}`)
    else {
      const native = report[`types/${name}`]!.kl_mean
      assert.ok(kl <= 1.1 * native, `KL ${kl}, native ${native}`)
    }
  })
}

test.run()
