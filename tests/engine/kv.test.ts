/** The cache's types: the same bits in every build and for every cut of the work, and close to f32's. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readGguf } from '../../js/gguf/reader.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { openEngine } from '../engine-harness.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'
import { readSafetensors, shared, sharedTest } from '../shared.ts'

const TYPES = ['f32', 'f16', 'q8_0'] as const
const BUILDS = ['scalar', 'simd', ...(hasRelaxedSimd() ? ['relaxed'] : [])]
if (!hasRelaxedSimd()) test.skip('the relaxed build (this engine has no relaxed SIMD)')

/** Long enough for several pieces of attention. */
function longTokens(vocabulary: number, length: number): number[] {
  return Array.from({ length }, (_, i) => (i * 7919 + 13) % vocabulary)
}

async function logits(model: string, build: string, kv: (typeof TYPES)[number], tokens: number[], batch: number) {
  const engine = await openEngine(model, build, { kv, batch, context: tokens.length })
  const data = await engine.allLogits(tokens)
  engine.close()
  return data
}

sharedTest('scalar, simd and relaxed builds give the same logits with every cache type', async () => {
  const folder = shared('goldens', 'tiny')
  let compared = 0
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.gguf'))) {
    const tokens = longTokens(500, 300)
    for (const kv of TYPES) {
      let want: Float32Array
      try {
        want = await logits(`${folder}/${name}`, 'scalar', kv, tokens, 64)
      } catch (error) {
        // Heads that are no multiple of 32 dimensions have no q8_0 cache.
        assert.is((error as { code?: string }).code, 'UNSUPPORTED_KV', `${name} ${kv}: ${error}`)
        continue
      }
      for (const build of BUILDS.slice(1)) {
        for (const batch of [64, 1]) {
          const got = await logits(`${folder}/${name}`, build, kv, tokens, batch)
          assert.ok(
            Buffer.from(got.buffer).equals(Buffer.from(want.buffer)),
            `${name} ${kv} ${build}, pieces of ${batch}`,
          )
          compared++
        }
      }
    }
  }
  assert.ok(compared > 0)
})

sharedTest('a quantized cache stays close to the reference', async () => {
  const golden = readSafetensors(shared('goldens', 'tiny', 'gqa.safetensors'))
  const tokens = [...(golden.get('tokens')!.data as Int32Array)]
  const want = golden.get('logits')!.data as Float32Array
  for (const [kv, limit] of [
    ['f32', 1e-5],
    ['f16', 1e-3],
    ['q8_0', 4e-2],
  ] as const) {
    const got = await logits(shared('goldens', 'tiny', 'gqa.gguf'), 'simd', kv, tokens, 64)
    let sum = 0
    for (let i = 0; i < want.length; i++) sum += Math.abs(got[i]! - want[i]!)
    assert.ok(sum / want.length < limit, `${kv}: mean difference ${sum / want.length}`)
  }
})

sharedTest('keys beyond f16 are a NumericError that says what to do, in every build; f32 holds them', async () => {
  const file = readFileSync(shared('goldens', 'tiny', 'gqa.gguf'))
  const { tensors } = await readGguf(bytesSource(file))
  const keys = tensors.get('blk.0.attn_k.weight')!
  for (let at = keys.offset; at < keys.offset + keys.bytes; at += 4) file.writeFloatLE(file.readFloatLE(at) * 1e7, at)
  const folder = mkdtempSync(join(tmpdir(), 'cria-kv-'))
  try {
    const path = join(folder, 'large-keys.gguf')
    writeFileSync(path, file)
    for (const build of BUILDS) {
      try {
        await logits(path, build, 'f16', [1, 2, 3], 64)
        assert.unreachable('the overflow went unnoticed')
      } catch (error) {
        assert.is((error as { code?: string }).code, 'CACHE_OVERFLOW', `${build}: ${error}`)
      }
      assert.ok((await logits(path, build, 'f32', [1, 2, 3], 64)).every(Number.isFinite))
      const engine = await openEngine(path, build, { kv: 'f16', context: 64 })
      const all = await Promise.allSettled([1, 2, 3].map((id) => engine.allLogits([id, 4])))
      assert.equal(
        all.map((one) => one.status === 'rejected' && one.reason.code),
        Array(3).fill('CACHE_OVERFLOW'),
      )
      assert.is(engine.scheduler.status.kvPages.used, 0)
      engine.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
