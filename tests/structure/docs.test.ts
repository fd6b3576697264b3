/** What the documents say of the repository: links, paths, architectures, numbers, contracts and the first example hold. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ARCHITECTURES } from '../../js/models/index.ts'
import { STORIES } from '../api-helpers.ts'
import { hasShared, shared } from '../shared.ts'

const ROOT = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md']
const PAGES = [...ROOT, ...readdirSync('docs').map((name) => `docs/${name}`)].filter((path) => path.endsWith('.md'))
const TEXTS: ReadonlyMap<string, string> = new Map(PAGES.map((path) => [path, readFileSync(path, 'utf8')]))
const README = TEXTS.get('README.md')!

/** Without blocks of code. */
function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/^ {4}.*$/gm, '')
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return Array.from(prose(text).matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** The cells of the rows below a table's head, the first of whose cells is `head`. */
function tableOf(text: string, head: string): string[][] {
  const lines = text.slice(text.indexOf(`| ${head} |`)).split('\n')
  const end = lines.findIndex((line) => !line.startsWith('|'))
  return lines.slice(2, end).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
}

function codesOf(cell: string): string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code!)
}

test('links lead somewhere', () => {
  const broken: string[] = []
  let found = 0
  for (const [path, text] of TEXTS) {
    for (const [, link] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link!)) continue
      found++
      const [file, anchor] = link!.split('#') as [string, string?]
      const target = file === '' ? path : posix.join(posix.dirname(path), file)
      const page = anchor === undefined ? undefined : readFileSync(target, 'utf8')
      if (!existsSync(target) || (page !== undefined && !anchorsOf(page).includes(anchor!)))
        broken.push(`${path}: ${link}`)
    }
  }
  assert.ok(found > 10)
  assert.equal(broken, [])
})

test('paths name files of the repository', () => {
  const missing: string[] = []
  for (const [path, text] of TEXTS) {
    for (const code of codesOf(prose(text))) {
      // In capitals: to be filled in.
      if (!/^(assembly|js|workers|scripts|tests|docs|examples|\.ci)\/[\w./-]*$/.test(code) || /[A-Z]{4}\./.test(code))
        continue
      if (!existsSync(code)) missing.push(`${path}: ${code}`)
    }
  }
  assert.equal(missing, [])
})

test('every architecture has its row, with goldens that exist; README’s files to try are of these', () => {
  const names = ARCHITECTURES.map(({ name }) => name).sort()
  const rows = tableOf(TEXTS.get('docs/MODELS.md')!, 'architecture')
  assert.equal(rows.map(([cell]) => codesOf(cell!)[0]).sort(), names)
  const folders = ['tests/fixtures/kin', ...(hasShared ? [shared('goldens', 'kin')] : [])]
  const exists = (golden: string): boolean =>
    golden.endsWith('.ts')
      ? existsSync(`tests/engine/${golden}`)
      : golden.endsWith('/')
        ? !hasShared || existsSync(shared('goldens', golden))
        : !hasShared || folders.some((folder) => existsSync(`${folder}/${golden}.gguf`))
  for (const [cell, , , goldens] of rows) {
    assert.ok(codesOf(goldens!).length > 0, cell)
    for (const golden of codesOf(goldens!)) assert.ok(exists(golden), golden)
  }
  const families = tableOf(README, 'family')
  for (const name of families.flatMap(([, cell]) => codesOf(cell!))) assert.ok(names.includes(name), name)
  for (const [, , file] of families) assert.match(file!, /^`hf:[\w.-]+\/[\w.-]+\/[\w.-]+\.gguf`$/)
})

test('every number of README’s table of speeds is one of docs/PERFORMANCE.md', () => {
  const measured = new Set(TEXTS.get('docs/PERFORMANCE.md')!.match(/\d+\.\d+/g))
  const cells = tableOf(README, 'model').flatMap((row) => row.slice(2))
  const numbers = cells.filter((cell) => cell !== '')
  assert.ok(numbers.length > 10)
  for (const number of numbers) assert.ok(measured.has(number), number)
})

test('README lists every command', () => {
  const { stdout } = spawnSync(process.execPath, ['dist/cli.js', '--help'], { encoding: 'utf8' })
  const names = Array.from(/Commands:\n([\s\S]*?)\n\n/.exec(stdout)![1]!.matchAll(/^ {2}(\w+)/gm), ([, name]) => name!)
  assert.ok(names.length > 5)
  const listed = tableOf(README, 'command').flatMap(([cell]) => codesOf(cell!))
  for (const name of names)
    assert.ok(
      listed.some((command) => command.startsWith(`cria ${name}`)),
      name,
    )
})

test('README’s first example runs', () => {
  const [, code] = /```js\n([\s\S]*?)```/.exec(README)!
  const script = code!
    .replace("'cria'", `'${pathToFileURL('dist/index.js').href}'`)
    .replace("'model.gguf'", JSON.stringify(STORIES))
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    stdio: 'pipe',
  })
  assert.ok(text.length > 50, text)
})

test('contracts that the code cites are there', () => {
  const headings = Array.from(
    TEXTS.get('docs/ARCHITECTURE.md')!.matchAll(/^### The (\w+) contract/gm),
    ([, nth]) => nth!,
  )
  assert.is(headings.length, 5)
  const cited: string[] = []
  for (const folder of ['assembly', 'js', 'workers']) {
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts')) continue
      const code = readFileSync(`${folder}/${path}`, 'utf8')
      for (const [, nth] of code.matchAll(/\b(\w+) contract\b/g)) cited.push(nth!)
    }
  }
  assert.ok(cited.length > 0)
  for (const nth of cited) assert.ok(headings.includes(nth), `the ${nth} contract`)
})

test('the code for frameworks is that of the projects, and no project is left out', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/frameworks-docs.mjs', '--check'], {
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  const shown = TEXTS.get('docs/FRAMEWORKS.md')!.matchAll(/tests\/embedding\/([\w-]+)/g)
  const projects = readdirSync('tests/embedding', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  assert.ok(projects.length >= 9)
  const names = new Set(Array.from(shown, ([, name]) => name!))
  for (const { name } of projects) assert.ok(names.has(name), name)
})

test.run()
