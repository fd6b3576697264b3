/** The linter's own rules find what they are there for: each is fed code that breaks it. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** The lines on which a rule of biome.json complains about code at a path. */
function complaints(path: string, lines: readonly string[], category: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'cria-lint-'))
  try {
    cpSync('biome.json', join(folder, 'biome.json'))
    cpSync('scripts/lint', join(folder, 'scripts/lint'), { recursive: true })
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), `${lines.join('\n')}\n`)
    const biome = resolve('node_modules/@biomejs/biome/bin/biome')
    const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', path]
    const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
    const { diagnostics } = JSON.parse(stdout) as {
      diagnostics: { severity: string; category: string; location: { start: { line: number } } }[]
    }
    const found = diagnostics.filter((it) => it.severity === 'error' && it.category === category)
    const numbers = new Set(found.map((it) => it.location.start.line))
    return lines.filter((_, index) => numbers.has(index + 1))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const INEXACT = [
  'export const a = Math.exp(1)',
  'export const b = Math.abs(Math.pow(2, 3))',
  'export const c = 2 ** 3',
  'a **= 2',
  'export const { log } = Math',
  "export const d = Math['sin'](3)",
  'export const e = globalThis.Math.cos(3)',
  'export const f = [1].map(Math.tanh)',
  'export const g = Math.random()',
  'export const h = Math.hypot(1, 2)',
  'export const i = /\\p{L}+/u',
  'export const j = /[^\\s\\P{N}]/u',
  "export const k = new RegExp('\\\\p{L}', 'u')",
  "export const l = RegExp('\\\\p{L}', 'u')",
]
const EXACT = [
  'export const a = Math.sqrt(1) + Math.abs(Math.floor(2)) + Math.ceil(1) + Math.round(1) + Math.trunc(1)',
  'export const b = Math.min(1, 2) + Math.max(1, 2) + Math.imul(1, 2) + Math.clz32(1) + Math.fround(1) + Math.sign(1)',
  "export const c = 'Math.exp(1) ** 2' // Math.exp, 2 ** 3, \\p{L}",
  'export const d = /p{L}/u',
  'export const e = a /* ** */ * b',
]

test('operations whose bits differ between engines are found', () => {
  assert.equal(complaints('js/tokenizer/bad.ts', INEXACT, 'plugin'), INEXACT)
  assert.equal(complaints('workers/bad.ts', INEXACT, 'plugin'), INEXACT)
  assert.equal(complaints('js/good.ts', EXACT, 'plugin'), [])
})

test('tests may use them', () => {
  assert.equal(complaints('tests/any.test.ts', INEXACT, 'plugin'), [])
})

const GLOBALS = [
  'WebAssembly',
  'SharedArrayBuffer',
  'Atomics',
  'Worker',
  'Buffer',
  'process',
  'navigator',
  'globalThis',
]

test('wasm and the runtime are out of bounds for the parts that know neither', () => {
  const lines = GLOBALS.map((name, index) => `export const v${index} = ${name}.something`)
  const category = 'lint/style/noRestrictedGlobals'
  for (const folder of ['gguf', 'tokenizer', 'sampler', 'chat']) {
    assert.equal(complaints(`js/${folder}/bad.ts`, lines, category), lines)
  }
  assert.equal(complaints('js/util/math.ts', lines, category), lines)
  assert.equal(complaints('js/platform/node.ts', lines, category), [])
})

test.run()
