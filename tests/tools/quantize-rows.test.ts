/** The quantize target against llama.cpp's own bytes and values, and against itself where they end. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { GGML_TYPES } from '../../js/gguf/ggml-types.ts'
import { RowQuantizer } from '../../js/quantize/row-quantizer.ts'
import { random } from '../kernel-harness.ts'
import { awkwardRows, COLUMNS, importanceOfColumns } from '../quantize-rows.ts'
import { readSafetensors, shared, sharedTest, type Tensor } from '../shared.ts'

const quantizer = await RowQuantizer.open(new WebAssembly.Module(readFileSync('build/wasm/quantize.wasm')))

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength)
}

/** Rows of f32 as another type. */
function quantize(type: string, rows: Float32Array, columns: number, importance?: Float32Array): Uint8Array {
  const job = { from: 'F32', to: type, rows: rows.length / columns, columns, bytes: bytesOf(rows) }
  const result = quantizer.convert(importance ? { ...job, importance } : job)
  if (result.bytes === undefined) throw new Error(`row ${result.row} is not finite`)
  return result.bytes
}

function dequantize(type: string, bytes: Uint8Array, columns: number): Float32Array {
  const { blockColumns, blockBytes } = GGML_TYPES.get(type)!
  const rows = (bytes.length / blockBytes / columns) * blockColumns
  const result = quantizer.convert({ from: type, to: 'F32', rows, columns, bytes })
  if (result.bytes === undefined) throw new Error(`row ${result.row} is not finite`)
  return new Float32Array(result.bytes.slice().buffer)
}

/** The types that the references hold, with their bytes and values. */
function* references(): Generator<{ type: string; rows: Tensor; bytes: Uint8Array; values: Float32Array }> {
  const tensors = readSafetensors(shared('goldens', 'blocks.safetensors'))
  const rows = tensors.get('rows')!
  for (const [name, { data }] of tensors) {
    if (!name.endsWith('.bytes')) continue
    const type = name.slice(0, -'.bytes'.length)
    yield { type, rows, bytes: data as Uint8Array, values: tensors.get(`${type}.values`)!.data as Float32Array }
  }
}

sharedTest("rows become llama.cpp's bytes, byte for byte, in every type", () => {
  const types = new Set<string>()
  for (const { type, rows, bytes } of references()) {
    types.add(type)
    assert.equal(quantize(type, rows.data as Float32Array, rows.shape[1]!), bytes, type)
  }
  for (const type of RowQuantizer.types) assert.ok(type === 'F32' || types.has(type), `${type} has no reference`)
})

sharedTest("bytes become llama.cpp's values, bit for bit, in every type", () => {
  for (const { type, rows, bytes, values } of references()) {
    assert.equal(bytesOf(dequantize(type, bytes, rows.shape[1]!)), bytesOf(values), type)
  }
})

function squaredError(a: Float32Array, b: Float32Array, weights: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += weights[i % COLUMNS]! * (a[i]! - b[i]!) * (a[i]! - b[i]!)
  return sum
}

/** SHA-256 of what llama.cpp makes of the awkward rows with their importance (tests/fixtures/make-important-rows.ts). */
const IMPORTANT: Record<string, string> = JSON.parse(
  readFileSync(new URL('../fixtures/important-rows.json', import.meta.url), 'utf8'),
)

for (const [type, hash] of Object.entries(IMPORTANT)) {
  test(`${type}: with importance too the bytes are llama.cpp's`, () => {
    const bytes = quantize(type, awkwardRows(), COLUMNS, importanceOfColumns())
    assert.is(createHash('sha256').update(bytes).digest('hex'), hash)
  })
}

/** Relative root mean square error that random rows may have: a level or two more than the types' steps imply. */
const CEILINGS: Record<string, number> = {
  F32: 0,
  F16: 0.0005,
  BF16: 0.004,
  Q8_0: 0.01,
  Q6_K: 0.03,
  Q5_0: 0.06,
  Q5_1: 0.06,
  Q5_K: 0.06,
  Q4_0: 0.12,
  Q4_1: 0.12,
  Q4_K: 0.12,
  IQ4_NL: 0.12,
  IQ4_XS: 0.12,
  Q3_K: 0.25,
  Q2_K: 0.4,
}

for (const type of RowQuantizer.types) {
  test(`${type}: awkward rows come back finite, ordinary ones near`, () => {
    const rows = awkwardRows()
    for (const weights of [undefined, importanceOfColumns()]) {
      const back = dequantize(type, quantize(type, rows, COLUMNS, weights), COLUMNS)
      assert.ok(back.every(Number.isFinite))
      const ones = new Float32Array(COLUMNS).fill(1)
      const error = squaredError(rows.subarray(0, COLUMNS), back.subarray(0, COLUMNS), ones)
      const size = squaredError(rows.subarray(0, COLUMNS), new Float32Array(COLUMNS), ones)
      assert.ok(Math.sqrt(error / size) <= CEILINGS[type]!, `${type}: ${Math.sqrt(error / size)}`)
    }
  })
}

test('importance lowers the error that it weighs', () => {
  const next = random(3)
  const rows = Float32Array.from({ length: 16 * COLUMNS }, () => (next() + next() + next() - 1.5) * 0.05)
  const importance = Float32Array.from({ length: COLUMNS }, () => 10 ** (next() * 3))
  for (const type of ['Q2_K', 'Q3_K', 'Q4_0', 'Q4_K', 'Q5_1', 'Q6_K', 'IQ4_XS']) {
    const [plain, weighed] = [undefined, importance].map((weights) => {
      return squaredError(rows, dequantize(type, quantize(type, rows, COLUMNS, weights), COLUMNS), importance)
    })
    assert.ok(weighed! < plain! * 0.97, `${type}: ${weighed} and ${plain}`)
  }
})

test('values that are not finite, before or after, are found with their place', () => {
  const rows = new Float32Array(3 * COLUMNS).fill(0.25)
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    rows[COLUMNS + 300] = value
    const { row, column, problem } = quantizer.convert({
      from: 'F32',
      to: 'Q4_K',
      rows: 3,
      columns: COLUMNS,
      bytes: bytesOf(rows),
    })
    assert.equal([problem, row, column], ['source', 1, 300])
  }
  rows[COLUMNS + 300] = 1e6
  for (const to of ['F16', 'Q8_0', 'Q4_K']) {
    rows[COLUMNS + 300] = to === 'F16' ? 1e6 : 1e9
    const result = quantizer.convert({ from: 'F32', to, rows: 3, columns: COLUMNS, bytes: bytesOf(rows) })
    assert.equal([result.problem, result.row], ['target', 1], to)
  }
})

test('halves and scales that are infinite are not taken for numbers', () => {
  for (const type of RowQuantizer.types) {
    if (type === 'F32') continue
    const bytes = quantize(type, new Float32Array(COLUMNS).fill(0.25), COLUMNS)
    for (let i = 0; i + 1 < bytes.length; i++) {
      const broken = bytes.slice()
      // An infinite half, and an infinite bfloat.
      broken[i] = type === 'BF16' ? 0x80 : 0x00
      broken[i + 1] = type === 'BF16' ? 0x7f : 0x7c
      const { problem } = quantizer.convert({ from: type, to: 'F32', rows: 1, columns: COLUMNS, bytes: broken })
      if (problem === 'source') break
      assert.ok(i + 2 < bytes.length, `${type} has no scale that can be infinite`)
    }
  }
})

test.run()
