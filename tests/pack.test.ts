/** The package as it is installed: what is in it, and that it works in a folder with nothing else. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const folder = mkdtempSync(join(tmpdir(), 'cria-pack-'))
const home = join(folder, 'home')
mkdirSync(home)
test.after(() => rmSync(folder, { recursive: true, force: true }))

function run(file: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, encoding: 'utf8', timeout: 60_000 })
  assert.is(status, 0, `${file} ${args.join(' ')}: ${error?.message ?? ''}\n${stdout}\n${stderr}`)
  return stdout
}

interface Packed {
  filename: string
  size: number
  unpackedSize: number
  files: { path: string; size: number }[]
}

const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], '.')) as [Packed]
writeFileSync(join(home, 'package.json'), '{ "name": "home", "private": true, "type": "module" }')
run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename)], home)
console.log(`  ${packed.size} bytes, ${packed.unpackedSize} unpacked, ${packed.files.length} files`)

test('holds what runs, with types, and nothing of the tests and sources', () => {
  const paths = packed.files.map(({ path }) => path)
  for (const path of ['index.js', 'cli.js', 'leader.js', 'thread.js', 'types/js/index.d.ts']) {
    assert.ok(paths.includes(`dist/${path}`), path)
  }
  for (const isa of ['simd', 'relaxed']) assert.ok(paths.includes(`dist/${isa}.wasm`), isa)
  for (const path of ['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json', 'models/stories260K.gguf']) {
    assert.ok(paths.includes(path), path)
  }
  for (const path of paths) {
    assert.match(path, /^(dist|models)\/|^(LICENSE|README\.md|CHANGELOG\.md|package\.json)$/)
    assert.not.match(path, /test|scalar|\.map$/)
  }
  assert.ok(packed.size < 1_000_000, `${packed.size} bytes`)
})

test('needs no other package', () => {
  const listed = JSON.parse(run('npm', ['ls', '--all', '--json', '--offline'], home)) as {
    dependencies: Record<string, { dependencies?: object }>
  }
  assert.equal(Object.keys(listed.dependencies), ['cria'])
  assert.is(listed.dependencies.cria!.dependencies, undefined)
})

test('the command line runs', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  assert.match(run('npx', ['--no-install', 'cria', '--version'], home), version)
  assert.match(run('npx', ['--no-install', 'cria', '--temp', '0', '-n', '8'], home), /Once upon a time/)
})

test('the module runs: imported, and from CommonJS', () => {
  const story = `
    const model = await load('node_modules/cria/models/stories260K.gguf', { threads: 2 })
    process.stdout.write((await model.generate('', { temperature: 0, maxTokens: 8 }).result()).text)`
  assert.match(
    run(process.execPath, ['--input-type=module', '-e', `import { load } from 'cria'; ${story}`], home),
    /^Once/,
  )
  const fromCommonJs = `import('cria').then(async ({ load }) => { ${story} })`
  assert.match(run(process.execPath, ['-e', fromCommonJs], home), /^Once/)
})

test('a strict TypeScript project finds the types', () => {
  writeFileSync(
    join(home, 'use.ts'),
    `import { AbortError, type GenerateResult, load, type LoadOptions, type Model } from 'cria'
const options: LoadOptions = { threads: 1, kv: 'f16' }
export async function tell(): Promise<GenerateResult> {
  const model: Model = await load('x.gguf', options)
  for await (const text of model.generate('Once', { maxTokens: 3 })) text.toUpperCase()
  const chat = model.createChat({ system: 'x' })
  return chat.send('y').result()
}
// @ts-expect-error: threads are a number
export const wrong: LoadOptions = { threads: 'many' }
export const error: Error = new AbortError('x')
`,
  )
  const args = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--lib',
    'es2023,dom,esnext.disposable',
  ]
  run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...args, '--types', '', 'use.ts'], home)
})

test.run()
