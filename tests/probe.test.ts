/** The choice between two kernels that give the same integers. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TYPE_F16, TYPE_Q4_0, TYPE_Q4_1, TYPE_Q6_K, TYPE_Q8_0 } from '../assembly/layout.ts'
import { chooseAlternates } from '../js/engine/probe.ts'
import { hasRelaxedSimd } from './kernel-harness.ts'

if (!hasRelaxedSimd()) test.skip('alternate kernels (this engine has no relaxed SIMD)')
else {
  const module = new WebAssembly.Module(readFileSync('build/wasm/relaxed.wasm'))

  test('alternates within 7 bits are exact on every engine; a type without one is never chosen', () => {
    const exact = chooseAlternates(module, false, [TYPE_Q4_0, TYPE_Q4_1, TYPE_Q6_K, TYPE_F16], false)
    assert.equal(exact, [TYPE_Q4_0, TYPE_Q4_1, TYPE_Q6_K])
  })

  test('what is chosen by time is exact', () => {
    const types = [TYPE_Q4_0, TYPE_Q4_1, TYPE_Q8_0, TYPE_Q6_K]
    const exact = chooseAlternates(module, false, types, false)
    for (const type of chooseAlternates(module, false, types, true)) assert.ok(exact.includes(type), `type ${type}`)
  })
}

test.run()
