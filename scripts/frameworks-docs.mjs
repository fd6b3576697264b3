/**
 * Writes the code of docs/FRAMEWORKS.md: each block below a line that links a file is that file, a project's of
 * tests/embedding/, which run.mjs there builds and runs.
 *
 *     node scripts/frameworks-docs.mjs [--check]     --check: fails where a block is not its file
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const path = 'docs/FRAMEWORKS.md'
const written = readFileSync(path, 'utf8')
const text = written.replaceAll(
  /^(\[`[^\]]+`\]\(([^)]+)\)\n\n```\w+\n)[\s\S]*?(?=^```$)/gm,
  (_, head, link) => head + readFileSync(join('docs', link), 'utf8'),
)
if (text !== written) {
  if (process.argv.includes('--check')) throw new Error(`${path} is out of date: node scripts/frameworks-docs.mjs`)
  writeFileSync(path, text)
}
