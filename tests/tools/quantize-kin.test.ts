/**
 * Models of LLaMA's kin get llama.cpp's types: shapes of many layers and the golden files, against what llama-quantize chose
 * (quantize-mixes-kin.json, which tests/fixtures/make-mixes-kin.py made).
 */
import { readFileSync } from 'node:fs'
import { quantize } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TensorInfo } from '../../js/gguf/types.ts'
import { FILE_TYPES, findFileType } from '../../js/quantize/file-types.ts'
import { chooseTypes, inFileOrder, type MixConfig } from '../../js/quantize/mixes.ts'
import { concat } from '../gguf-helpers.ts'
import { hasReferences, kinFiles } from '../kin-files.ts'
import { header, otherTypes } from '../quantize-helpers.ts'
import { sharedTest } from '../shared.ts'

/** By file type: the tensors of other types than its own and F32. */
type Mixes = Record<string, Record<string, string>>

interface Shape {
  name: string
  architecture: string
  layers: number
  heads: number
  kvHeads: number
  experts: number
  /** Sizes of tensors by name: of the file, and of each layer. */
  shared: Record<string, number[]>
  layer: Record<string, number[]>
  /** Of two dimensions or more, and F32 in every file. */
  kept: string[]
  mixes: Mixes
}

const { shapes, files } = JSON.parse(readFileSync('tests/tools/quantize-mixes-kin.json', 'utf8')) as {
  shapes: Shape[]
  files: Record<string, Mixes>
}

function tensorsOf({ layers, shared, layer }: Shape): TensorInfo[] {
  const all = [
    ...Object.entries(shared),
    ...Array.from({ length: layers }, (_, i) => Object.entries(layer).map(([name, size]) => [`blk.${i}.${name}`, size]))
      .flat()
      .map(([name, size]) => [name, size] as [string, number[]]),
  ]
  return inFileOrder(all.map(([name, dimensions]) => ({ name, dimensions, type: 'F32', offset: 0, bytes: 0 })))
}

for (const shape of shapes) {
  test(`${shape.name}: types as llama.cpp's`, () => {
    const tensors = tensorsOf(shape)
    const config: MixConfig = {
      architecture: shape.architecture,
      blockCount: shape.layers,
      nextnPredictLayers: 0,
      headCount: shape.heads,
      headCountKv: shape.kvHeads,
      expertCount: shape.experts,
    }
    for (const [name, expected] of Object.entries(shape.mixes)) {
      const file = findFileType(name)
      const choices = chooseTypes(tensors, config, file, { pure: false, leaveOutputTensor: false, importance: false })
      const made = tensors.map((tensor, i) => ({ ...tensor, type: choices[i]!.type }))
      assert.equal(otherTypes(made, file.type), expected, name)
      const kept = made.filter(({ type, dimensions }) => type === 'F32' && dimensions.length > 1)
      assert.equal(
        [...new Set(kept.map(({ name }) => name.replace(/^blk\.\d+\./, '')))].sort(),
        shape.kept,
        `${name}, kept`,
      )
    }
    const known = new Set(Object.keys(shape.mixes))
    // Q2_K_S needs an importance matrix.
    assert.equal(
      FILE_TYPES.map(({ name }) => name).filter((name) => !known.has(name)),
      ['F32', 'Q2_K_S'],
    )
  })
}

test('layers that predict further tokens count as layers', () => {
  const names = Array.from({ length: 16 }, (_, i) => `blk.${i}.ffn_down.weight`)
  const tensors = names.map((name) => ({ name, dimensions: [256, 256], type: 'F32', offset: 0, bytes: 0 }))
  const typesOf = (nextnPredictLayers: number): string[] => {
    const sizes = { blockCount: 16 - nextnPredictLayers, headCount: 4, headCountKv: 4, expertCount: 0 }
    const config = { architecture: 'glm4', nextnPredictLayers, ...sizes }
    const options = { pure: false, leaveOutputTensor: false, importance: false }
    return chooseTypes(inFileOrder(tensors), config, findFileType('Q4_K_M'), options).map(({ type }) => type)
  }
  assert.equal(typesOf(1), typesOf(0))
})

for (const file of kinFiles()) {
  const references = files[file.name]
  if (!references) continue
  if (!hasReferences(file)) {
    test.skip(`${file.name}: llama-quantize was not run on this model`)
    continue
  }
  test(`${file.name}: the file's tensors are of llama.cpp's types`, async () => {
    const onWarning = ({ code }: { code: string }) => assert.is(code, 'TENSOR_FALLBACK')
    for (const [name, expected] of Object.entries(references)) {
      const made = await header(await concat(quantize(file.gguf, name, { threads: 1, onWarning })))
      assert.equal(otherTypes(made.tensors.values(), findFileType(name).type), expected, name)
    }
  })
}

sharedTest('kin: llama-quantize was run on some of them', () => {
  assert.ok(Object.keys(files).some((name) => kinFiles().some((file) => file.name === name)))
})

test.run()
