/** Matrices so wide that they are cut into panels: the same bits in every build and for every cut of a prompt. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SHAPES } from '../../js/bench/shapes.ts'
import { SyntheticModel } from '../../js/bench/synthetic.ts'
import { packingOf } from '../../js/models/tensors.ts'
import { WEIGHT_TYPES } from '../../js/models/weight-types.ts'
import { openEngine } from '../engine-harness.ts'
import { concat } from '../gguf-helpers.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'

const BUILDS = ['simd', ...(hasRelaxedSimd() ? ['relaxed'] : [])]
if (!hasRelaxedSimd()) test.skip('the relaxed build (this engine has no relaxed SIMD)')

const FFN = 5632
const TOKENS = Array.from({ length: 20 }, (_, i) => (i * 7919 + 13) % 300)
const TYPES = ['q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0', 'q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k', 'iq4_nl', 'iq4_xs']

const folder = mkdtempSync(join(tmpdir(), 'cria-panels-'))
test.after(() => rmSync(folder, { recursive: true }))

const shapes: Record<string, (typeof SHAPES)[string]> = SHAPES
shapes.wide = { ...shapes.toy!, feedForwardLength: FFN, blockCount: 1 }

async function logits(path: string, build: string, batch: number): Promise<Buffer> {
  const engine = await openEngine(path, build, { batch, context: TOKENS.length })
  const data = await engine.allLogits(TOKENS)
  engine.close()
  return Buffer.from(data.buffer)
}

for (const type of TYPES) {
  test(type, async () => {
    const weightType = WEIGHT_TYPES.get(type.toUpperCase())!
    assert.is(packingOf(weightType, FFN).panelColumns < FFN, weightType.panels)
    const path = join(folder, `${type}.gguf`)
    writeFileSync(path, await concat(new SyntheticModel({ shape: 'wide', type }).file()))
    const want = await logits(path, 'scalar', 20)
    assert.ok(want.equals(await logits(path, 'scalar', 1)), 'scalar, token by token')
    assert.ok(new Float32Array(want.buffer).some((value) => value !== 0))
    for (const build of BUILDS) {
      for (const batch of [1, 7, 16, 20]) {
        assert.ok(want.equals(await logits(path, build, batch)), `${build}, pieces of ${batch}`)
      }
    }
    for (const threads of [1, 3]) {
      const model = await load(path, { threads, batch: 8, context: TOKENS.length, kv: 'f32' })
      const { data } = await model.logits(TOKENS)
      await model.close()
      assert.ok(want.equals(Buffer.from(data.buffer)), `${threads} threads`)
    }
  })
}

test.run()
