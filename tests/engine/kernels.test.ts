import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ACTIVATION_GEGLU, ACTIVATION_RELU2, ACTIVATION_SWIGLU, ALTERNATE } from '../../assembly/layout.ts'
import {
  Build,
  FORMATS,
  fileRows,
  hasRelaxedSimd,
  putTensor,
  random,
  repack,
  type TypeFormat,
} from '../kernel-harness.ts'
import { hasShared, readSafetensors, shared, sharedTest } from '../shared.ts'

const scalar = new Build('scalar')
const builds = [new Build('simd')]
if (hasRelaxedSimd()) builds.push(new Build('relaxed'))
else test.skip('the relaxed build (this engine has no relaxed SIMD)')

/** Few and many: up to 16 some types are multiplied as they are packed. */
const TOKENS = [1, 2, 3, 4, 5, 8, 9, 16, 17]

/** Floats whose every bit counts, NaN canonical. */
function bits(x: Float32Array): Uint32Array {
  const out = new Uint32Array(x.buffer.slice(x.byteOffset, x.byteOffset + x.byteLength))
  for (let i = 0; i < out.length; i++) if (Number.isNaN(x[i])) out[i] = 0x7fc00000
  return out
}

function activations(kind: string, n: number, columns: number): Float32Array {
  const next = random(columns * 31 + n)
  return Float32Array.from({ length: n * columns }, (_, i) => {
    switch (kind) {
      case 'gentle':
        // A pair of neighbours times 0…255 stays within 16 bits: 255 · 127, 255 · 2 · 62.
        return i % 8 === 0 ? 1 : i % 8 === 1 ? 0 : next() * 0.98 - 0.49
      case 'zero':
        return 0
      case 'most':
        return 3
      case 'least':
        return -3
      case 'alternating':
        return i % 2 ? -1 : 1
      case 'outliers':
        return i % 37 === 0 ? 900 : (next() - 0.5) * 1e-3
      case 'tiny':
        return (next() - 0.5) * 1e-36
      case 'huge':
        return (next() - 0.5) * 1e6
      case 'nan':
        return i === 5 ? Number.NaN : next()
      case 'infinite':
        return i === 7 ? Number.POSITIVE_INFINITY : next()
      default:
        return next() * 2 - 1
    }
  })
}

/** All results of one build: rows of every group times n tokens. `alternate`: by the type's alternate kernels. */
function multiply(
  build: Build,
  format: TypeFormat,
  file: Uint8Array,
  rows: number,
  columns: number,
  x: Float32Array,
  n: number,
  alternate = 0,
) {
  const type = format.id | alternate
  build.reset()
  const packed = repack(build, format, file, rows, columns)
  const acts = build.alloc(build.kernels.arrangedBytes(columns, n))
  build.kernels.arrange(format.id, build.put(x), columns, n, acts)
  const scratch = build.alloc(columns * 32 + Math.ceil(columns / 32 + 1) * 640)
  const results: Uint32Array[] = []
  for (let g = 0; g < packed.groups; g++) {
    const group = packed.at + g * packed.groupBytes
    const tokens = n === 1 ? 1 : Math.ceil(n / 4) * 4
    const out = build.alloc(tokens * 32)
    if (n === 1) build.kernels.matvec(type, group, columns, acts, out)
    else build.kernels.matmul(type, group, columns, acts, n, scratch, out)
    results.push(bits(build.floats(out, n * 8)))
  }
  return { packed: build.bytes(packed.at, packed.groups * packed.groupBytes), results }
}

for (const format of FORMATS) {
  const widths = format.columns === 1 ? [1, 2, 7, 31, 32, 33, 100] : [1, 2, 3, 5].map((k) => k * format.columns)
  for (const build of builds) {
    test(`${format.name} ${build.name}: matvec and matmul equal the scalar twin bit for bit`, () => {
      for (const columns of widths) {
        for (const n of TOKENS) {
          const file = fileRows(format, 11, columns, columns + n)
          const x = activations('random', n, columns)
          const ours = multiply(build, format, file, 11, columns, x, n)
          const twin = multiply(scalar, format, file, 11, columns, x, n)
          assert.equal(ours.packed, twin.packed, `packed bytes, ${columns} columns`)
          assert.equal(ours.results, twin.results, `${columns} columns, ${n} tokens`)
        }
      }
    })

    test(`${format.name} ${build.name}: extreme weights and activations`, () => {
      const columns = format.columns === 1 ? 64 : format.columns * 2
      for (const fill of [0, 0x7f, 0x80, 0xff, undefined]) {
        for (const kind of ['zero', 'most', 'least', 'alternating', 'outliers', 'tiny', 'huge', 'nan', 'infinite']) {
          for (const n of [1, 4, 6, 18]) {
            const file = fileRows(format, 8, columns, 3, fill === 0xff && format.name === 'F16' ? 0x7b : fill)
            const x = activations(kind, n, columns)
            const ours = multiply(build, format, file, 8, columns, x, n)
            const twin = multiply(scalar, format, file, 8, columns, x, n)
            assert.equal(ours.results, twin.results, `weights ${fill}, activations ${kind}, ${n} tokens`)
          }
        }
      }
    })

    test(`${format.name} ${build.name}: a token alone and the same token in a batch give the same bits`, () => {
      const columns = format.columns === 1 ? 50 : format.columns * 3
      const file = fileRows(format, 8, columns, 9)
      const x = activations('random', 9, columns)
      const batch = multiply(build, format, file, 8, columns, x, 9).results[0]!
      for (let t = 0; t < 9; t++) {
        const alone = multiply(build, format, file, 8, columns, x.slice(t * columns, (t + 1) * columns), 1).results[0]!
        assert.equal(alone, batch.slice(t * 8, t * 8 + 8), `token ${t}`)
      }
    })
  }

  for (const build of [scalar, ...builds]) {
    test(`${format.name} ${build.name}: a scale that is not finite is refused`, () => {
      const columns = format.columns === 1 ? 4 : format.columns
      for (const half of format.name === 'BF16' ? [0x7f80, 0xff80, 0x7fc1] : [0x7c00, 0xfc00, 0x7e01]) {
        build.reset()
        const file = fileRows(format, 8, columns, 1)
        const view = new DataView(file.buffer)
        if (format.name === 'F32')
          view.setFloat32(file.length - 4, half === 0x7e01 ? Number.NaN : Number.POSITIVE_INFINITY, true)
        else view.setUint16(file.length - format.fileBytes + format.scales.at(-1)![0], half, true)
        assert.throws(() => repack(build, format, file, 8, columns), /repack of .*: 1/)
      }
    })
  }
}

// Dots that add to i32: exact on every engine where weights fit 7 bits. Those of 8 bits need a probe (tests/engine/probe.test.ts),
// unless activations are small and the engine takes weights as unsigned, as on x64.
for (const build of builds.filter(({ name }) => name === 'relaxed')) {
  for (const format of FORMATS.filter(({ alternate }) => alternate)) {
    const wide = /^(Q8_0|IQ4)/.test(format.name)
    if (wide && process.arch !== 'x64') continue
    test(`${format.name} ${build.name}: the alternate kernels equal the scalar twin bit for bit`, () => {
      for (const k of [1, 2, 3, 5]) {
        const columns = k * format.columns
        for (const n of TOKENS) {
          for (const [fill, kind] of [
            [undefined, 'random'],
            [0xff, 'most'],
            [0x7f, 'least'],
            [0, 'alternating'],
            [undefined, 'outliers'],
            [undefined, 'gentle'],
            [0xff, 'gentle'],
          ] as const) {
            if (wide && kind !== 'gentle') continue
            const file = fileRows(format, 11, columns, columns + n, fill)
            const x = activations(kind, n, columns)
            const ours = multiply(build, format, file, 11, columns, x, n, ALTERNATE)
            assert.equal(
              ours.results,
              multiply(scalar, format, file, 11, columns, x, n).results,
              `${columns}, ${n}, ${kind}`,
            )
          }
        }
      }
    })
  }
}

/** Floats of all sizes, extreme ones among them. */
function awkwardFloats(): Float32Array {
  const next = random(5)
  const x = Float32Array.from({ length: 4096 }, (_, i) => (i < 2048 ? (next() - 0.5) * 250 : -next() * 1e-4))
  x.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 88, -87, 89, -88, 1e-45])
  return x
}

const ACTIVATIONS = { SwiGLU: ACTIVATION_SWIGLU, GeGLU: ACTIVATION_GEGLU, 'ReLU²': ACTIVATION_RELU2 }

function activated(build: Build, kind: number, gates: Float32Array, ups: Float32Array): Float32Array {
  build.reset()
  const at = build.put(gates)
  build.kernels.activation(kind, at, build.put(ups), gates.length)
  return build.floats(at, gates.length)
}

function capped(build: Build, x: Float32Array, cap: number): Float32Array {
  build.reset()
  const at = build.put(x)
  build.kernels.softcap(at, x.length, cap)
  return build.floats(at, x.length)
}

for (const build of builds) {
  test(`${build.name}: activations, soft caps and LayerNorm equal the scalar twin bit for bit`, () => {
    const x = awkwardFloats()
    const ups = x.toReversed()
    for (const [name, kind] of Object.entries(ACTIVATIONS)) {
      assert.equal(bits(activated(build, kind, x, ups)), bits(activated(scalar, kind, x, ups)), name)
    }
    for (const n of [1, 3, 4, 7, 4096]) {
      assert.equal(bits(capped(build, x.slice(0, n), 30)), bits(capped(scalar, x.slice(0, n), 30)), `cap of ${n}`)
    }
    for (const n of [1, 3, 7, 8, 9, 16, 20, 64, 129, 576]) {
      for (const biased of [true, false]) {
        const norm = (b: Build): Uint32Array => {
          b.reset()
          const y = b.alloc(n * 4)
          const bias = biased ? b.put(x.slice(1500, 1500 + n)) : 0
          b.kernels.layernorm(b.put(x.slice(20, 20 + n)), b.put(x.slice(900, 900 + n)), bias, n, 1e-5, y)
          return bits(b.floats(y, n))
        }
        assert.equal(norm(build), norm(scalar), `n = ${n}`)
      }
    }
  })

  test(`${build.name}: exp and RMSNorm equal the scalar twin bit for bit`, () => {
    const x = awkwardFloats()
    const run = (b: Build): Uint32Array => {
      b.reset()
      const y = b.alloc(x.byteLength)
      b.kernels.expf(b.put(x), x.length, y)
      return bits(b.floats(y, x.length))
    }
    assert.equal(run(build), run(scalar))
    for (const n of [1, 3, 7, 8, 9, 16, 20, 64, 129, 576]) {
      const norm = (b: Build): Uint32Array => {
        b.reset()
        const y = b.alloc(n * 4)
        b.kernels.rmsnorm(b.put(x.slice(20, 20 + n)), b.put(x.slice(900, 900 + n)), n, 1e-5, y)
        return bits(b.floats(y, n))
      }
      assert.equal(norm(build), norm(scalar), `n = ${n}`)
    }
  })
}

/** The largest error in parts of the largest of a value and 1. */
function worstOf(got: Float32Array, want: (i: number) => number): number {
  return got.reduce((worst, value, i) => Math.max(worst, Math.abs(value - want(i)) / Math.max(1, Math.abs(want(i)))), 0)
}

test('activations and soft caps are what their formulas say', () => {
  const next = random(7)
  const g = Float32Array.from({ length: 4096 }, () => (next() - 0.5) * 30)
  const u = Float32Array.from(g, () => (next() - 0.5) * 4)
  const silu = (x: number): number => x / (1 + Math.exp(-x))
  const gelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
  assert.ok(worstOf(activated(scalar, ACTIVATION_SWIGLU, g, u), (i) => silu(g[i]!) * u[i]!) < 1e-6)
  assert.ok(worstOf(activated(scalar, ACTIVATION_GEGLU, g, u), (i) => gelu(g[i]!) * u[i]!) < 1e-6)
  assert.ok(worstOf(activated(scalar, ACTIVATION_RELU2, g, u), (i) => Math.max(u[i]!, 0) ** 2) < 1e-6)
  assert.ok(worstOf(capped(scalar, g, 5), (i) => 5 * Math.tanh(g[i]! / 5)) < 1e-6)
})

test('exp is within 2 ulp of the exact value', () => {
  const next = random(6)
  const x = Float32Array.from({ length: 8192 }, () => (next() - 0.5) * 170)
  scalar.reset()
  const y = scalar.alloc(x.byteLength)
  scalar.kernels.expf(scalar.put(x), x.length, y)
  const got = scalar.floats(y, x.length)
  let worst = 0
  for (let i = 0; i < x.length; i++) worst = Math.max(worst, Math.abs(got[i]! / Math.exp(x[i]!) - 1) * 2 ** 23)
  assert.ok(worst < 2, `worst error ${worst} ulp`)
})

sharedTest('repacked rows dequantize to the values that llama.cpp’s bytes mean, exactly', () => {
  const blocks = readSafetensors(shared('goldens', 'blocks.safetensors'))
  let checked = 0
  for (const format of FORMATS) {
    const file = blocks.get(`${format.name}.bytes`)
    const values = blocks.get(`${format.name}.values`)
    if (!file || !values) continue
    const [rows, columns] = values.shape as [number, number]
    for (const build of [scalar, ...builds]) {
      build.reset()
      const packed = repack(build, format, file.data as Uint8Array, rows, columns)
      const at = putTensor(build, format, rows, packed)
      const out = build.alloc(columns * 4)
      for (let r = 0; r < rows; r++) {
        build.kernels.row(at, r, out)
        const want = (values.data as Float32Array).slice(r * columns, (r + 1) * columns)
        assert.equal(bits(build.floats(out, columns)), bits(want), `${format.name} ${build.name} row ${r}`)
        checked++
      }
    }
  }
  if (hasShared) assert.ok(checked > 0, 'blocks.safetensors holds none of our types')
})

test.run()
