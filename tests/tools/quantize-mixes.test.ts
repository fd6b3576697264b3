/**
 * Which type each tensor gets, against what llama-quantize chose (quantize-mixes.json, from its --dry-run). There, for each
 * shape and file type, stand the tensors whose type is not the file type's own, by part and layers.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArgumentError, FormatError } from '../../js/errors.ts'
import type { TensorInfo } from '../../js/gguf/types.ts'
import { FILE_TYPES, findFileType, findTensorType, readTensorType } from '../../js/quantize/file-types.ts'
import { chooseTypes, type MixConfig, type MixOptions } from '../../js/quantize/mixes.ts'
import { otherTypes } from '../quantize-helpers.ts'

interface Shape {
  name: string
  layers: number
  heads: number
  kvHeads: number
  experts: number
  dim: number
  ffn: number
  tied: boolean
}

interface Reference {
  shape: Shape
  imatrix: boolean
  mixes: Record<string, Record<string, string>>
}

const REFERENCES = JSON.parse(readFileSync('tests/tools/quantize-mixes.json', 'utf8')) as Reference[]
const OPTIONS: MixOptions = { pure: false, leaveOutputTensor: false, importance: false }

function tensor(name: string, ...dimensions: number[]): TensorInfo {
  return { name: `${name}.weight`, dimensions, type: 'F32', offset: 0, bytes: 0 }
}

function configOf({ layers, heads, kvHeads, experts }: Shape): MixConfig {
  return {
    architecture: 'llama',
    blockCount: layers,
    nextnPredictLayers: 0,
    headCount: heads,
    headCountKv: kvHeads,
    expertCount: experts,
  }
}

/** The tensors of a llama, in the order of a quantized file. */
function tensorsOf({ layers, heads, kvHeads, experts, dim, ffn, tied }: Shape): TensorInfo[] {
  const kv = (dim / heads) * kvHeads
  const wide = (name: string, ...size: number[]) =>
    experts ? tensor(`${name}_exps`, ...size, experts) : tensor(name, ...size)
  const layer = (i: number): TensorInfo[] => [
    tensor(`blk.${i}.attn_k`, dim, kv),
    tensor(`blk.${i}.attn_norm`, dim),
    tensor(`blk.${i}.attn_output`, dim, dim),
    tensor(`blk.${i}.attn_q`, dim, dim),
    tensor(`blk.${i}.attn_v`, dim, kv),
    wide(`blk.${i}.ffn_down`, ffn, dim),
    wide(`blk.${i}.ffn_gate`, dim, ffn),
    ...(experts ? [tensor(`blk.${i}.ffn_gate_inp`, dim, experts)] : []),
    tensor(`blk.${i}.ffn_norm`, dim),
    wide(`blk.${i}.ffn_up`, dim, ffn),
  ]
  const shared = [
    ...(tied ? [] : [tensor('output', dim, 64)]),
    tensor('output_norm', dim),
    tensor('token_embd', dim, 64),
  ]
  return [...shared, ...Array.from({ length: layers }, (_, i) => layer(i)).flat()]
}

for (const { shape, imatrix, mixes } of REFERENCES) {
  test(`${shape.name}${imatrix ? ', importance' : ''}: types as llama.cpp's`, () => {
    const tensors = tensorsOf(shape)
    for (const [name, expected] of Object.entries(mixes)) {
      const file = findFileType(name)
      const choices = chooseTypes(tensors, configOf(shape), file, { ...OPTIONS, importance: imatrix })
      const named = tensors.map(({ name }, i) => ({ name: name.replace('_exps', ''), type: choices[i]!.type }))
      assert.equal(otherTypes(named, file.type), expected, name)
    }
  })
}

test('every file type has a reference, or keeps all as it is', () => {
  const known = new Set(REFERENCES.flatMap(({ mixes }) => Object.keys(mixes)))
  assert.equal(
    FILE_TYPES.map(({ name }) => name).filter((name) => !known.has(name)),
    ['F32'],
  )
})

const { shape: SHAPE } = REFERENCES[0]!
const TIED = { ...SHAPE, layers: 1, tied: true }
const UNTIED = { ...SHAPE, layers: 1, tied: false }

function typesOf(shape: Shape, name: string, options: Partial<MixOptions>): Record<string, string> {
  const tensors = tensorsOf(shape)
  const choices = chooseTypes(tensors, configOf(shape), findFileType(name), { ...OPTIONS, ...options })
  return Object.fromEntries(tensors.map((tensor, i) => [tensor.name.replace('.weight', ''), choices[i]!.type]))
}

test('options: pure, types by name, an output that stays', () => {
  assert.is(typesOf(UNTIED, 'Q4_K_M', { pure: true }).output, 'Q4_K')
  assert.is(typesOf(UNTIED, 'Q4_K_M', { outputTensorType: 'F16' }).output, 'F16')
  assert.is(typesOf(UNTIED, 'Q4_K_M', { tokenEmbeddingType: 'Q2_K' }).token_embd, 'Q2_K')
  assert.is(typesOf(UNTIED, 'F16', { outputTensorType: 'Q8_0' }).output, 'Q8_0')
  assert.is(typesOf(UNTIED, 'Q4_0', { leaveOutputTensor: true }).output, 'F32')
  assert.is(typesOf(TIED, 'Q4_K_M', {}).token_embd, 'Q6_K')
  assert.is(typesOf(TIED, 'Q4_K_M', { outputTensorType: 'Q5_K' }).token_embd, 'Q5_K')
  assert.is(typesOf(TIED, 'Q4_K_M', { outputTensorType: 'Q5_K', tokenEmbeddingType: 'Q4_0' }).token_embd, 'Q4_0')
})

test('types of tensors by expressions on their names, before the mix, after the output and the embedding', () => {
  const tensorTypes = ['attn_v=q8_0', 'BLK\\.[01]\\.=f16', '^output=q2_k', 'ffn_up=q4_k', 'token=q5_0'].map(
    readTensorType,
  )
  const types = typesOf({ ...UNTIED, layers: 3 }, 'Q4_K_M', { tensorTypes, pure: true, outputTensorType: 'Q6_K' })
  assert.is(types['blk.0.attn_v'], 'Q8_0')
  assert.is(types['blk.1.attn_q'], 'F16')
  assert.is(types['blk.2.attn_q'], 'Q4_K')
  assert.is(types['blk.1.attn_norm'], 'F32')
  assert.is(types.output, 'Q6_K')
  assert.is(types.token_embd, 'Q5_0')
  assert.is(typesOf({ ...UNTIED, dim: 96, layers: 3 }, 'Q8_0', { tensorTypes })['blk.2.ffn_up'], 'Q5_0')
  // The mix counts what has no type by name.
  const first = [readTensorType('blk\\.0\\.attn_v=q4_0')]
  assert.is(typesOf({ ...UNTIED, layers: 8 }, 'Q3_K_M', { tensorTypes: first })['blk.2.attn_v'], 'Q5_K')
  assert.is(typesOf({ ...UNTIED, layers: 8 }, 'Q3_K_M', {})['blk.2.attn_v'], 'Q4_K')
  for (const [given, code] of [
    ['attn_q', 'INVALID_OPTION'],
    ['=q8_0', 'INVALID_OPTION'],
    ['(=q8_0', 'INVALID_OPTION'],
    ['attn_q=q9', 'QUANTIZE_TYPE'],
    [7, 'INVALID_OPTION'],
  ] as const) {
    assert.throws(
      () => readTensorType(given),
      (error: unknown) => error instanceof ArgumentError && error.code === code,
    )
  }
})

test('a type by name that does not fit the columns is refused, one of a mix is replaced', () => {
  const narrow = { ...UNTIED, dim: 96 }
  assert.is(typesOf(narrow, 'Q4_K_S', {})['blk.0.attn_q'], 'Q5_0')
  assert.throws(
    () => typesOf(narrow, 'Q4_K_S', { outputTensorType: 'Q6_K' }),
    (error: unknown) =>
      error instanceof ArgumentError &&
      error.code === 'TENSOR_ROWS' &&
      /output\.weight.*96 columns/.test(error.message),
  )
})

test('an expert of no layer is refused by name', () => {
  const experts = configOf({ ...SHAPE, experts: 4 })
  assert.throws(
    () => chooseTypes([tensor('ffn_down_exps', 256, 256, 4)], experts, findFileType('Q4_K_M'), OPTIONS),
    (error: unknown) => error instanceof FormatError && error.code === 'TENSOR_NAME',
  )
})

test('names of types are found in any case; others are refused with the list', () => {
  assert.is(findFileType('q4_k').name, 'Q4_K_M')
  assert.is(findFileType('iq4_xs').id, 30)
  assert.is(findTensorType('outputTensorType', 'q5_k'), 'Q5_K')
  for (const [run, code] of [
    [() => findFileType('Q7_K'), 'FILE_TYPE'],
    [() => findFileType(undefined), 'FILE_TYPE'],
    [() => findTensorType('outputTensorType', 'Q4_K_M'), 'QUANTIZE_TYPE'],
  ] as const) {
    assert.throws(
      run,
      (error: unknown) => error instanceof ArgumentError && error.code === code && error.message.includes('IQ4_NL'),
    )
  }
})

test.run()
