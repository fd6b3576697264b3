/** Repacking: the same bytes in every build, whatever the number of rows and the scales; what is not finite is found. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { REPACK_NOT_FINITE, REPACK_UNKNOWN_TYPE } from '../../assembly/layout.ts'
import { packingOf } from '../../js/models/tensors.ts'
import {
  Build,
  FORMATS,
  fileRows,
  hasRelaxedSimd,
  putTensor,
  repack,
  repackAt,
  type TypeFormat,
} from '../kernel-harness.ts'

const scalar = new Build('scalar')
const builds = [new Build('simd')]
if (hasRelaxedSimd()) builds.push(new Build('relaxed'))
else test.skip('the relaxed build (this engine has no relaxed SIMD)')

const ROWS = [1, 7, 8, 9, 16, 21]

function packed(build: Build, format: TypeFormat, file: Uint8Array, rows: number, columns: number): Uint8Array {
  build.reset()
  const { at, groups, groupBytes } = repack(build, format, file, rows, columns)
  return build.bytes(at, groups * groupBytes)
}

/** Replaces every scale of a file's blocks; `half` is asked for each. */
function setScales(format: TypeFormat, file: Uint8Array, half: (index: number) => number): void {
  const view = new DataView(file.buffer)
  for (let block = 0, index = 0; block < file.length; block += format.fileBytes) {
    for (const [at] of format.scales) view.setUint16(block + at, half(index++), true)
  }
}

/** Halves of one kind: they need shifts of every size. */
const SCALES: Record<string, (index: number) => number> = {
  zero: () => 0,
  'minus zero': () => 0x8000,
  'least subnormal': () => 0x0001,
  subnormal: (i) => ((i * 0x39) & 0x3ff) | (i & 1 ? 0x8000 : 0),
  'subnormal beside the least normal': (i) => (i % 5 === 0 ? 0x0400 : i & 0x3ff),
  'subnormal beside the largest': (i) => (i % 5 === 0 ? 0x7bff : (i * 7) & 0x3ff),
  'every exponent': (i) => (((i * 0x1234 + 0x55) & 0xffff) % 0x7c00) | ((i & 2) << 14),
  largest: () => 0xfbff,
}

for (const format of FORMATS) {
  for (const build of builds) {
    const name = `${format.name} ${build.name}`
    const widths = format.columns === 1 ? [1, 3, 4, 7, 8, 9, 16, 67] : [format.columns, format.columns * 3]

    test(`${name}: the bytes of the scalar build`, () => {
      for (const rows of ROWS) {
        for (const columns of widths) {
          const file = fileRows(format, rows, columns, rows * 1000 + columns)
          const ours = packed(build, format, file, rows, columns)
          assert.equal(ours, packed(scalar, format, file, rows, columns), `${rows} × ${columns}`)
        }
      }
    })

    if (format.scales.length > 0) {
      test(`${name}: scales of every size`, () => {
        for (const [kind, half] of Object.entries(SCALES)) {
          const columns = format.columns * 5
          const file = fileRows(format, 11, columns, 1)
          setScales(format, file, half)
          assert.equal(packed(build, format, file, 11, columns), packed(scalar, format, file, 11, columns), kind)
        }
      })
    }
  }

  for (const build of [scalar, ...builds]) {
    test(`${format.name} ${build.name}: finds what is not finite, wherever it is`, () => {
      const columns = format.columns === 1 ? 13 : format.columns * 3
      for (const rows of [3, 8]) {
        const values = format.id === 0 ? rows * columns : ((rows * columns) / format.columns) * format.scales.length
        for (let i = 0; i < values; i++) {
          for (const bits of format.name === 'BF16' ? [0x7f80, 0xff80, 0x7fc1] : [0x7c00, 0xfc00, 0x7e01]) {
            const file = fileRows(format, rows, columns, i)
            if (format.id === 0) new Uint32Array(file.buffer)[i] = (bits << 16) | ((bits & 0x7c00) << 13)
            else setSome(format, file, i, bits)
            build.reset()
            const at = build.alloc(rows * columns * 8 + 1024)
            const status = repackAt(build, format, build.put(file), rows, at, packingOf(format, columns, columns))
            assert.is(status, REPACK_NOT_FINITE, `value ${i} of ${rows} rows, 0x${bits.toString(16)}`)
          }
        }
      }
    })
  }
}

for (const format of FORMATS.filter(({ panels }) => panels)) {
  test(`${format.name}: rows in panels are those in one piece`, () => {
    // The last panel is narrower; the last unit has two groups, the last of four rows.
    const rows = 44
    const columns = 512 + Math.max(format.columns, 96)
    const file = fileRows(format, rows, columns, 5)
    for (const build of [scalar, ...builds]) {
      build.reset()
      const whole = putTensor(build, format, rows, repack(build, format, file, rows, columns))
      const packing = packingOf(format, columns, 256)
      assert.ok(packing.panelBytes < packing.groupBytes / 2)
      const cut = putTensor(build, format, rows, repack(build, format, file, rows, columns, packing))
      const out = build.alloc(columns * 4)
      const rowOf = (tensor: number, row: number): Float32Array => {
        build.kernels.row(tensor, row, out)
        return build.floats(out, columns).slice()
      }
      for (let row = 0; row < rows; row++) assert.equal(rowOf(cut, row), rowOf(whole, row), `${build.name} row ${row}`)
    }
  })
}

function setSome(format: TypeFormat, file: Uint8Array, index: number, bits: number): void {
  const block = Math.floor(index / format.scales.length)
  const at = block * format.fileBytes + format.scales[index % format.scales.length]![0]
  new DataView(file.buffer).setUint16(at, bits, true)
}

test('an unknown type is told', () => {
  for (const build of [scalar, ...builds]) {
    const tensor = putTensor(build, { ...FORMATS[0]!, id: 99 }, 8, {
      at: 4096,
      groups: 1,
      ...packingOf(FORMATS[0]!, 32),
    })
    assert.is(build.kernels.repack(tensor, 1024, 32, 0, 8), REPACK_UNKNOWN_TYPE)
  }
})

test.run()
