/** The package as it is installed: what is in it, and that it works in a folder with nothing else. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { buildSync } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { installPackage, run, tool, toolTest } from '../package-home.ts'

const { home, tarball, packed } = installPackage()
console.log(`  ${packed.size} bytes, ${packed.unpackedSize} unpacked, ${packed.files.length} files`)

test('holds what runs, with types, and nothing of the tests and sources', () => {
  const paths = packed.files.map(({ path }) => path)
  for (const path of ['index.js', 'cli.js', 'leader.js', 'thread.js', 'types/js/index.d.ts']) {
    assert.ok(paths.includes(`dist/${path}`), path)
  }
  for (const isa of ['simd', 'relaxed']) assert.ok(paths.includes(`dist/${isa}.wasm`), isa)
  for (const path of ['LICENSE', 'README.md', 'package.json', 'models/stories260K.gguf']) {
    assert.ok(paths.includes(path), path)
  }
  for (const path of paths) {
    assert.match(path, /^(dist|models)\/|^(LICENSE|README\.md|package\.json|[\w-]+\.js)$/)
    assert.not.match(path, /test|scalar|\.map$/)
  }
})

/** What a module of dist/, with all that it imports, takes from elsewhere. */
function foreign(path: string): string[] {
  const options = { bundle: true, format: 'esm', platform: 'neutral', packages: 'external', write: false } as const
  const { metafile } = buildSync({ ...options, entryPoints: [path], metafile: true, logLevel: 'silent' })
  return Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external).map((imported) => imported.path),
  )
}

test('modules import each other and Node alone; those for the web not even Node', () => {
  const entries = packed.files.map(({ path }) => path).filter((path) => /^dist\/(web\/)?[^/]+\.js$/.test(path))
  assert.ok(entries.length > 8)
  for (const entry of entries) {
    const web = /^dist\/(web\/.*|edge)\.js$/.test(entry)
    assert.equal(
      foreign(entry).filter((name) => web || !isBuiltin(name)),
      [],
      entry,
    )
  }
  assert.ok(foreign('dist/index.js').includes('node:fs/promises'))
})

test('what bundlers follow into the workers of pages is imported at once', () => {
  for (const name of ['leader', 'grammars', 'thread', 'quantize']) {
    const options = { bundle: true, format: 'esm', platform: 'neutral', write: false, metafile: true } as const
    const { metafile } = buildSync({ ...options, entryPoints: [`dist/web/${name}.js`] })
    const late = Object.values(metafile.inputs).flatMap(({ imports }) =>
      imports.filter(({ kind }) => kind !== 'import-statement'),
    )
    assert.equal(late, [], name)
  }
})

test('needs no other package', () => {
  const listed = JSON.parse(run('npm', ['ls', '--all', '--json', '--offline'], home).stdout) as {
    dependencies: Record<string, { dependencies?: object }>
  }
  assert.equal(Object.keys(listed.dependencies), ['cria'])
  assert.is(listed.dependencies.cria!.dependencies, undefined)
})

test('the command line runs', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  assert.match(run('npx', ['--no-install', 'cria', '--version'], home).stdout, version)
  assert.match(run('npx', ['--no-install', 'cria', '--temp', '0', '-n', '8'], home).stdout, /Once upon a time/)
})

test('the module runs: imported, and from CommonJS', () => {
  const story = `
    const model = await load('node_modules/cria/models/stories260K.gguf', { threads: 2 })
    process.stdout.write((await model.generate('', { temperature: 0, maxTokens: 8 }).result()).text)`
  assert.match(
    run(process.execPath, ['--input-type=module', '-e', `import { load } from 'cria'; ${story}`], home).stdout,
    /^Once/,
  )
  const fromCommonJs = `import('cria').then(async ({ load }) => { ${story} })`
  assert.match(run(process.execPath, ['-e', fromCommonJs], home).stdout, /^Once/)
})

test('an uncaught error is not lost in the code that Node shows above it', () => {
  for (const [code, message] of Object.entries({
    "load('none.gguf')": 'There is no file none.gguf',
    "load('node_modules/cria/models/stories260K.gguf', { context: '5' })": 'context must be',
  })) {
    const script = `import { load } from 'cria'; await ${code}`
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: home,
      encoding: 'utf8',
    })
    assert.match(stderr, message)
    // A line of at most 1000 characters, and one of as many with the mark of the place.
    assert.ok(stderr.indexOf(message) < 2200, `${stderr.indexOf(message)} characters before: ${message}`)
  }
})

toolTest('publint finds nothing but that older resolvers are cared for', 'publint/src/cli.js', () => {
  const { stdout } = run(process.execPath, [tool('publint/src/cli.js'), 'run', tarball, '--strict'])
  const found = stdout.split('\n').filter((line) => /^\d+\. /.test(line))
  assert.match(stdout, /Linting/)
  assert.is(found.length, 1, stdout)
  assert.match(found[0]!, /pkg\.browser with an object value can be refactored/)
})

toolTest('attw finds the types of every entry', '@arethetypeswrong/cli/dist/index.js', () => {
  // However modules are found: CommonJS takes the package by `import()`, or from Node 20.19 on.
  const args = [tarball, '--ignore-rules', 'cjs-resolves-to-esm', '--format', 'json']
  const { stdout } = run(process.execPath, [tool('@arethetypeswrong/cli/dist/index.js'), ...args])
  const { analysis } = JSON.parse(stdout) as {
    analysis: { entrypoints: Record<string, unknown> }
  }
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: object }
  assert.equal(Object.keys(analysis.entrypoints).sort(), Object.keys(exports).sort())
})

test.run()
