/**
 * Formats assembly/ as biome formats the rest. Biome does not parse AssemblyScript's decorators on functions and
 * constants, so they are turned into comments on the way in and back on the way out.
 *
 *     node scripts/format-assembly.mjs [--check] [folder]     --check writes nothing and fails if a file would change
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DECORATOR =
  /^([ \t]*)(@(?:inline|lazy|unsafe|unmanaged|final|operator|external|global)\b(?:\.\w+)?(?:\([^)\n]*\))?)/gm

/** `@inline` alone on its line → `//@@inline`; before other code → a block comment. */
export function hideDecorators(code) {
  return code.replace(DECORATOR, (_, indent, decorator, at) => {
    const rest = code.slice(at + indent.length + decorator.length)
    return indent + (/^[ \t]*(\n|$)/.test(rest) ? `//@${decorator}` : `/*@${decorator}*/`)
  })
}

export function showDecorators(code) {
  return code.replace(/\/\/@(@.*)$/gm, '$1').replace(/\/\*@(@.*?)\*\//g, '$1')
}

/** Formats a set of files: path → code. Throws where biome cannot parse one, or would change more than its looks. */
export function formatAll(files) {
  const folder = mkdtempSync(join(tmpdir(), 'cria-format-'))
  try {
    const { formatter, javascript } = JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8'))
    writeFileSync(join(folder, 'biome.json'), JSON.stringify({ root: true, formatter, javascript }))
    for (const [path, code] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), hideDecorators(code))
    }
    const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome')
    const args = [biome, 'format', '--write', '--max-diagnostics=50', '.']
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return new Map(
      Array.from(files, ([path, code]) => {
        const formatted = showDecorators(readFileSync(join(folder, path), 'utf8'))
        if (bare(formatted) !== bare(code))
          throw new Error(`${path}: formatting would change the code: leave it as it is`)
        return [path, formatted]
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The code without all that a formatter may add, drop or swap, and with its numbers in one spelling. */
function bare(code) {
  return code
    .replace(/[\s;,()'"`]/g, '')
    .replace(/0x[\da-f]+/gi, (number) => number.toLowerCase())
    .replace(/(?<![\w.])(\d+\.\d*|\.\d+|\d+(?=e))(e[-+]?\d+)?/gi, (number) => String(Number(number)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check')
  const folder = process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? join(ROOT, 'assembly')
  const paths = readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.ts'))
  const files = new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]))
  let formatted = files
  try {
    formatted = formatAll(files)
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
  const changed = [...formatted].filter(([path, code]) => code !== files.get(path))
  for (const [path, code] of changed) {
    if (!check) writeFileSync(join(folder, path), code)
    console.error(check ? `${path} is not formatted: npm run format:assembly` : `${path} formatted`)
  }
  process.exitCode = check && changed.length > 0 ? 1 : 0
}
