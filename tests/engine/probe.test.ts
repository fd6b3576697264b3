/** The choice between two kernels that give the same integers. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chooseAlternates } from '../../js/engine/probe.ts'
import { WEIGHT_TYPES } from '../../js/models/weight-types.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'

function ids(types: { id: number }[]): number[] {
  return types.map(({ id }) => id)
}

if (!hasRelaxedSimd()) test.skip('alternate kernels (this engine has no relaxed SIMD)')
else {
  const module = new WebAssembly.Module(readFileSync('build/wasm/relaxed.wasm'))

  test('alternates within 7 bits are exact on every engine; a type without one is never chosen', () => {
    // Q8_0 and the codebook of IQ4 take 8 bits.
    const types = [...WEIGHT_TYPES].filter(([name]) => !/^(Q8_0|IQ4)/.test(name)).map(([, type]) => type)
    const exact = chooseAlternates(module, false, ids(types), false)
    assert.equal(exact, ids(types.filter(({ alternate }) => alternate)))
  })

  test('what is chosen by time is exact', () => {
    const types = ids([...WEIGHT_TYPES.values()])
    const exact = chooseAlternates(module, false, types, false)
    for (const type of chooseAlternates(module, false, types, true)) assert.ok(exact.includes(type), `type ${type}`)
  })
}

test.run()
