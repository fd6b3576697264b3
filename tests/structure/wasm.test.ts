/** The check of the compiled wasm: what was built passes, and a module that breaks a rule does not. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** The parts of a small module; each default is sound. */
interface Parts {
  shared?: boolean
  initial?: number
  maximum?: number
  /** Name of the one exported function. */
  name?: string
  /** Bytes of its parameter types. */
  parameters?: number[]
  /** Bytes of one more import. */
  extraImport?: number[]
  /** Contents of further sections, by their number. */
  sections?: Record<number, number[]>
}

const I32 = 0x7f

/** A name or section in a module: its length, then its bytes. */
function sized(bytes: readonly number[]): number[] {
  return [...leb(bytes.length), ...bytes]
}

function text(value: string): number[] {
  return sized(Array.from(value, (character) => character.charCodeAt(0)))
}

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]
}

function module(parts: Parts): Uint8Array {
  const { shared = false, initial = 1, maximum = 65536, name = 'run', parameters = [I32], extraImport = [] } = parts
  const memory = [...text('env'), ...text('memory'), 2, shared ? 3 : 1, ...leb(initial), ...leb(maximum)]
  const sections: Record<number, number[]> = {
    1: [1, 0x60, ...sized(parameters), 0],
    2: [extraImport.length > 0 ? 2 : 1, ...memory, ...extraImport],
    3: [1, 0],
    7: [1, ...text(name), 0, 0],
    10: [1, ...sized([0, 0x0b])],
    ...parts.sections,
  }
  // Integer keys come in ascending order, which is the order that sections must have.
  const bytes = Object.entries(sections).flatMap(([id, contents]) => [Number(id), ...sized(contents)])
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes])
}

/** What the check prints about a set of targets, and whether it passed. */
function check(targets: Record<string, Uint8Array>): { passed: boolean; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'cria-wasm-'))
  try {
    for (const [name, bytes] of Object.entries(targets)) writeFileSync(join(folder, `${name}.wasm`), bytes)
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/check-wasm.mjs', folder], {
      encoding: 'utf8',
    })
    return { passed: status === 0, output: stdout + stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('what was built passes', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/check-wasm.mjs'], { encoding: 'utf8' })
  assert.is(stderr, '')
  assert.is(status, 0)
})

test('sound modules pass', () => {
  const { passed, output } = check({ simd: module({}), 'simd-threads': module({ shared: true }), relaxed: module({}) })
  assert.ok(passed, output)
})

const UNSOUND: [what: string, target: string, parts: Parts, message: RegExp][] = [
  ['an active data segment', 'simd', { sections: { 11: [1, 0, 0x41, 8, 0x0b, 1, 42] } }, /1 data segment/],
  ['a start function', 'simd', { parameters: [], sections: { 8: [0] } }, /start function/],
  ['a mutable global', 'simd', { sections: { 6: [1, I32, 1, 0x41, 0, 0x0b] } }, /1 mutable global/],
  [
    'a function import',
    'simd',
    { extraImport: [...text('env'), ...text('abort'), 0, 0] },
    /imports the func env\.abort/,
  ],
  ['memory that is not shared', 'simd-threads', {}, /memory that is not shared/],
  ['shared memory', 'simd', { shared: true }, /shared memory/],
  ['many pages from the start', 'simd', { initial: 200 }, /demands 200 pages/],
  ['a low maximum', 'simd-threads', { shared: true, maximum: 1000 }, /larger than 1000 pages/],
]

for (const [what, target, parts, message] of UNSOUND) {
  test(`${what} is found`, () => {
    const { passed, output } = check({ [target]: module(parts) })
    assert.not(passed, output)
    assert.match(output, message)
  })
}

test('targets that offer different functions are found', () => {
  const named = check({ simd: module({}), scalar: module({ name: 'walk' }) })
  assert.not(named.passed)
  assert.match(named.output, /scalar: lacks the export run/)
  assert.match(named.output, /simd: lacks the export walk/)
  const typed = check({ simd: module({}), scalar: module({ parameters: [I32, I32] }) })
  assert.not(typed.passed)
  assert.match(typed.output, /scalar: exports run as \(i32, i32\) → void, another target as \(i32\) → void/)
})

test('what is no module, or a part of one, is found', () => {
  assert.not(check({ simd: Uint8Array.from([1, 2, 3, 4]) }).passed)
  assert.not(check({ simd: module({}).subarray(0, -3) }).passed)
  assert.not(check({}).passed)
})

test.run()
