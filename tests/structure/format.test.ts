/** The formatter of assembly/: decorators survive it, the check finds what it would change. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const ROUGH = `// @ts-ignore: decorator
@inline
export function half(x: f32): f32 { return x * .50; }

@inline const   MASK: u32 = 0xFF
@unmanaged class Pair {
  @operator("+") plus(other: Pair): Pair { return this }
  @inline
  first(): i32 { return load<i32>(changetype<usize>(this)) }
}
`
const SMOOTH = `// @ts-ignore: decorator
@inline
export function half(x: f32): f32 {
  return x * 0.5
}

@inline const MASK: u32 = 0xff
@unmanaged class Pair {
  @operator("+") plus(other: Pair): Pair {
    return this
  }
  @inline
  first(): i32 {
    return load<i32>(changetype<usize>(this))
  }
}
`

/** Runs the formatter over one file: its code afterwards, the exit code. */
function format(code: string, ...options: string[]): { code: string; status: number | null } {
  const folder = mkdtempSync(join(tmpdir(), 'cria-assembly-'))
  try {
    writeFileSync(join(folder, 'a.ts'), code)
    const { status } = spawnSync(process.execPath, ['scripts/format-assembly.mjs', ...options, folder])
    return { code: readFileSync(join(folder, 'a.ts'), 'utf8'), status }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('code is formatted, decorators and all', () => {
  assert.equal(format(ROUGH), { code: SMOOTH, status: 0 })
  assert.equal(format(SMOOTH), { code: SMOOTH, status: 0 })
})

test('the check writes nothing and finds what is not formatted', () => {
  assert.equal(format(ROUGH, '--check'), { code: ROUGH, status: 1 })
  assert.equal(format(SMOOTH, '--check'), { code: SMOOTH, status: 0 })
})

test('what cannot be parsed stays as it is', () => {
  assert.equal(format('let x = ('), { code: 'let x = (', status: 1 })
})

test.run()
