/** Some hundred texts of random models under random constraints: tests/soak/constrained.ts writes ten thousand. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { constrainedTexts } from '../constrained.ts'
import { sharedGgufFiles } from '../gguf-helpers.ts'
import { sharedTest } from '../shared.ts'

const COUNT = 256
const SEED = 77

sharedTest('texts of random weights are what constrains them, one by one and in a batch', async () => {
  const { whole, cut, unchecked } = await constrainedTexts(sharedGgufFiles('goldens/tiny').at(0)!, COUNT, SEED)
  assert.is(whole + cut + unchecked, COUNT)
  assert.ok(whole > COUNT * 0.8, `${whole} of ${COUNT} are whole`)
  assert.ok(unchecked < COUNT / 20, `${unchecked} of ${COUNT} have no validator`)
})

test.run()
