/** The shape of the repository: who may import whom, what is committed, what the package holds. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Path → code. */
type Files = ReadonlyMap<string, string>

/** What each part of assembly/ may import beside itself. */
const ASSEMBLY: [importer: string, may: string[]][] = [
  ['assembly/layout.ts', []],
  ['assembly/quant/', ['assembly/layout.ts']],
  ['assembly/panels.ts', ['assembly/layout.ts']],
  ['assembly/repack.ts', ['assembly/layout.ts', 'assembly/panels.ts', 'assembly/quant/']],
  ['assembly/kernels/', ['assembly/layout.ts', 'assembly/quant/']],
  [
    'assembly/model/',
    ['assembly/layout.ts', 'assembly/panels.ts', 'assembly/quant/', 'assembly/repack.ts', 'assembly/kernels/'],
  ],
  ['assembly/quantize/', ['assembly/layout.ts', 'assembly/quant/']],
  ['assembly/index.ts', ['assembly/']],
]
/** Parts that reach, by any chain of imports, neither wasm nor the platform. */
const PURE = ['js/gguf/', 'js/tokenizer/', 'js/sampler/', 'js/chat/', 'js/util/math.ts']
const IMPURE = ['js/platform/', 'js/cli/', 'workers/', '#platform', 'comlink', '@assemblyscript/']
/** Parts that may import Node's own modules. */
const NODE = ['js/platform/', 'js/cli/', 'scripts/', 'tests/']

const IMPORT =
  /^(?:import|export)\s[\w$\s,{}*]*?from\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm

function startsWithAny(path: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => path.startsWith(prefix))
}

/** What a module imports: paths from the root of the repository, packages and `#` names as they are. */
function importsOf(path: string, code: string): string[] {
  return Array.from(code.matchAll(IMPORT), (match) => {
    const name = (match[1] ?? match[2] ?? match[3])!
    if (!name.startsWith('.')) return name
    const target = posix.join(posix.dirname(path), name)
    return /\.\w+$/.test(target) ? target : `${target}.ts`
  })
}

/** Every import that goes the wrong way, as `importer → imported`. */
function wrongImports(files: Files): string[] {
  const graph = new Map(Array.from(files, ([path, code]) => [path, importsOf(path, code)]))
  const wrong: string[] = []
  for (const [path, imports] of graph) {
    for (const name of imports) {
      if (!mayImport(path, name)) wrong.push(`${path} → ${name}`)
    }
    if (startsWithAny(path, PURE)) wrong.push(...impureChains(path, graph))
  }
  return wrong
}

function mayImport(path: string, name: string): boolean {
  if (isBuiltin(name)) return startsWithAny(path, NODE)
  if (path.startsWith('assembly/')) {
    const rule = ASSEMBLY.find(([importer]) => path.startsWith(importer))
    return rule !== undefined && (startsWithAny(name, rule[1]) || name.startsWith(rule[0]))
  }
  if (name.startsWith('assembly/')) return name === 'assembly/layout.ts' || path.startsWith('tests/')
  // A condition chooses the module behind `#platform`; naming one would fix the choice. Types fix nothing.
  return !name.startsWith('js/platform/') || name === 'js/platform/types.ts' || startsWithAny(path, NODE)
}

/** The chains of imports by which a module reaches what it must not know. */
function impureChains(start: string, graph: ReadonlyMap<string, readonly string[]>): string[] {
  const chains: string[] = []
  const seen = new Set<string>()
  const walk = (path: string, chain: string): void => {
    for (const name of graph.get(path) ?? []) {
      if (seen.has(name)) continue
      seen.add(name)
      if (startsWithAny(name, IMPURE)) chains.push(`${chain} → ${name}`)
      else walk(name, `${chain} → ${name}`)
    }
  }
  walk(start, start)
  return chains
}

function generated(paths: readonly string[]): string[] {
  return paths.filter((path) => /^(dist|build)\/|(^|\/)node_modules\/|\.(wasm|wat|tgz|tsbuildinfo)$/.test(path))
}

/** The sources in a folder of the repository: path → code. */
function read(folder: string): [string, string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .filter((path) => /\.(ts|mjs)$/.test(path) && !path.includes('/node_modules/'))
    .map((path) => [path, readFileSync(path, 'utf8')])
}

/** Every string in a value of package.json that is a path. */
function paths(value: unknown): string[] {
  if (typeof value === 'string') return [posix.normalize(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(paths) : []
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))

test('imports go one way', () => {
  const files = new Map(['assembly', 'js', 'workers', 'scripts', 'tests'].flatMap(read))
  assert.ok(files.size > 10)
  assert.equal(wrongImports(files), [])
})

test('an import that goes the wrong way is found', () => {
  const wrong: [path: string, code: string][] = [
    ['assembly/layout.ts', "import { pack } from './quant/q4_0'"],
    ['assembly/quant/q4_0.ts', "import { repack } from '../repack'"],
    ['assembly/kernels/matvec/simd.ts', "export * from '../../model/forward'"],
    ['assembly/kernels/matvec/simd.ts', "import {\n  a,\n  b as c,\n} from '../../repack'"],
    ['assembly/model/forward.ts', "import { forward } from '../index'"],
    ['assembly/other.ts', "import { X } from './layout'"],
    ['js/engine.ts', "import { pack } from '../assembly/quant/q4_0.ts'"],
    ['workers/leader.ts', "import * as repack from '../assembly/repack.ts'"],
    ['js/engine.ts', "import { readFile } from 'node:fs/promises'"],
    ['js/engine.ts', "import fs from 'fs'"],
    ['workers/thread.ts', "const { Worker } = await import('node:worker_threads')"],
    ['js/engine.ts', "import { read } from './platform/node.ts'"],
    ['workers/leader.ts', "import { openFile } from '../js/platform/files-node.ts'"],
    ['js/gguf/reader.ts', "import type { File } from '../platform/types.ts'"],
    ['js/sampler/sampler.ts', "import '#platform'"],
    ['js/chat/chat.ts', "import { wrap } from 'comlink'"],
    ['js/util/math.ts', "import { pool } from '../../workers/pool.ts'"],
  ]
  for (const [path, code] of wrong) {
    assert.is(wrongImports(new Map([[path, code]])).length, 1, `${path}: ${code}`)
  }
  const chain = new Map([
    ['js/tokenizer/a.ts', "import { b } from '../b.ts'"],
    ['js/b.ts', "export { b } from '#platform'"],
  ])
  assert.equal(wrongImports(chain), ['js/tokenizer/a.ts → js/b.ts → #platform'])
})

test('an import that goes the right way is let through', () => {
  const right = new Map([
    ['assembly/layout.ts', 'export const ROWS = 8'],
    ['assembly/quant/f16.ts', "import { ROWS } from '../layout'"],
    ['assembly/quant/q4_0.ts', "import { ROWS } from '../layout'\nimport { f16 } from './f16'"],
    ['assembly/model/forward.ts', "import { matvec } from '../kernels/matvec/simd'"],
    ['assembly/index.ts', "export { forward } from './model/forward'"],
    ['js/engine.ts', "import { ROWS } from '../assembly/layout.ts'\nimport { open } from '#platform'"],
    ['js/platform/node.ts', "import { readFile } from 'node:fs/promises'\nexport * from './files-node.ts'"],
    ['js/pool.ts', "import type { Platform } from './platform/types.ts'"],
    ['js/gguf/reader.ts', "import { FormatError } from '../errors.ts'\n// import '#platform'"],
    ['workers/leader.ts', "import { Engine } from '../js/engine.ts'\nimport { expose } from 'comlink'"],
  ])
  assert.equal(wrongImports(right), [])
})

test('generated files are not committed', () => {
  assert.equal(generated(['dist/index.js', 'build/wasm/simd.wasm', 'a/b.wasm', 'js/index.ts', 'js/build.ts']), [
    'dist/index.js',
    'build/wasm/simd.wasm',
    'a/b.wasm',
  ])
  if (!existsSync('.git')) return
  const committed = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).split('\n')
  assert.ok(committed.includes('package.json'))
  assert.equal(generated(committed), [])
})

test('no test is singled out', () => {
  const only = /\b(test|suite)\.only\(/
  assert.match(`test${'.only('}`, only)
  const singled = read('tests').filter(([, code]) => only.test(code))
  assert.equal(
    singled.map(([path]) => path),
    [],
  )
})

test('the lock files name no registry and every optional package', () => {
  for (const folder of ['.', 'tests/runtimes', 'tests/runtimes/arm64', 'tests/vocabularies', 'tests/bench/peers']) {
    const path = `${folder}/package-lock.json`
    const { packages } = JSON.parse(readFileSync(path, 'utf8')) as {
      packages: Record<string, { version?: string; resolved?: string; optionalDependencies?: Record<string, string> }>
    }
    for (const [name, entry] of Object.entries(packages)) {
      assert.is(entry.resolved, undefined, `${path}: ${name} has a URL`)
      // npm ci fails where one is missing, and npm drops those that a registry does not offer.
      for (const optional of Object.keys(entry.optionalDependencies ?? {})) {
        const found = packages[`${name}/node_modules/${optional}`] ?? packages[`node_modules/${optional}`]
        assert.ok(found?.version, `${path}: ${optional} is missing`)
      }
    }
  }
})

test('the package holds what it offers, and nothing else', () => {
  const list = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' })
  const packed = (JSON.parse(list)[0].files as { path: string }[]).map(({ path }) => path)
  const offered = [manifest.exports, manifest.bin, manifest.types].flatMap(paths)
  assert.ok(offered.length >= 3)
  for (const path of offered) assert.ok(packed.includes(path), `${path} is not packed`)
  for (const target of ['simd', 'relaxed', 'quantize']) {
    assert.ok(packed.includes(`dist/${target}.wasm`), `${target}.wasm is not packed`)
  }
  const stray = packed.filter((path) => !startsWithAny(path, [...manifest.files, 'package.json']))
  assert.equal(stray, [])
})

test('the bundles import nothing but Node', () => {
  const bundles = readdirSync('dist').filter((path) => path.endsWith('.js'))
  assert.ok(bundles.length > 0)
  for (const file of bundles) {
    const foreign = importsOf(`dist/${file}`, readFileSync(`dist/${file}`, 'utf8')).filter((name) => !isBuiltin(name))
    assert.equal(foreign, [], `dist/${file}`)
  }
})

test.run()
