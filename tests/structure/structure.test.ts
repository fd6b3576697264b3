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
/** The rooms of js/ and workers/: each imports only from those before it in this list, types too. */
const ROOMS = [
  ['errors'],
  ['util'],
  ['source', 'sampler', 'chat'],
  ['gguf', 'platform'],
  ['tokenizer', 'models', 'store'],
  ['engine', 'grammar', 'perplexity'],
  ['scheduler'],
  ['imatrix', 'workers'],
  ['api'],
  ['quantize', 'server', 'ai', 'prompt'],
  ['convert'],
  ['entries'],
  ['bench', 'conformance'],
  ['cli'],
]
/** Entries of workers: they start what they import, and nothing imports them. */
const WORKER_ENTRIES = ['workers/leader.ts', 'workers/thread.ts', 'workers/quantize.ts']
/** Rooms that are told by their callers what the runtime gives. */
const WITHOUT_PLATFORM = ['js/engine/', 'js/scheduler/']
/** Where the architecture is asked for, and keys under its name are read; others write them. */
const MODELS = 'js/models/'
const READS_ARCHITECTURE =
  /\b(?:get\w*|has|firstOf)\((?:[\w.!]+,\s*)?['"`](?:general\.architecture['"`]|llama\.|\$\{[\w.]*architecture\}\.)/
/** Lines of a file of js/models but for those that hold what architectures have in common. */
const MODEL_LINES = 80
const COMMON_MODEL_FILES = ['architecture.ts', 'tensors.ts']

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

/** The room of a path, or none: scripts and tests stand above all. */
function roomOf(path: string): string | undefined {
  if (path === '#platform') return 'platform'
  if (path === 'js/errors.ts') return 'errors'
  if (path.startsWith('workers/')) return WORKER_ENTRIES.includes(path) ? undefined : 'workers'
  // A folder in a room is part of it.
  const [, room] = /^js\/(?:(\w+)\/)?(?:\w+\/)*[\w.-]+$/.exec(path) ?? [undefined, undefined]
  return path.startsWith('js/') ? (room ?? 'entries') : undefined
}

/** Every import that does not go up ROOMS, as `importer → imported`; `?` where a room is not in the list. */
function wrongRooms(files: Files): string[] {
  const levels = new Map(ROOMS.flatMap((rooms, level) => rooms.map((room) => [room, level] as const)))
  const wrong: string[] = []
  for (const [path, code] of files) {
    const from = roomOf(path)
    if (from === undefined) continue
    if (!levels.has(from)) wrong.push(`${path} → ?`)
    for (const name of importsOf(path, code)) {
      const to = roomOf(name)
      if (WORKER_ENTRIES.includes(name)) wrong.push(`${path} → ${name}`)
      if (to === undefined || to === from) continue
      if (!(levels.get(to)! < levels.get(from)!)) wrong.push(`${path} → ${name}`)
    }
  }
  return wrong
}

/** Circles in a graph, each as its members in order. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map<string, Set<string>>()
  const reach = (start: string): Set<string> => {
    const seen = new Set<string>()
    const open = [...(graph.get(start) ?? [])]
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name)) continue
      seen.add(name)
      open.push(...(graph.get(name) ?? []))
    }
    return seen
  }
  for (const name of graph.keys()) reached.set(name, reach(name))
  const found = new Set<string>()
  for (const [name, seen] of reached) {
    if (seen.has(name))
      found.add(
        [...seen]
          .filter((other) => reached.get(other)?.has(name))
          .sort()
          .join(' '),
      )
  }
  return Array.from(found, (members) => members.split(' '))
}

/** Who imports whom, file by file and folder by folder. The files directly in js/ and assembly/ are folders of their own. */
function graphs(files: Files): { files: Map<string, string[]>; folders: Map<string, string[]> } {
  const folderOf = (path: string): string => path.split('/').slice(0, 2).join('/')
  const byFile = new Map<string, string[]>()
  const byFolder = new Map<string, string[]>()
  for (const [path, code] of files) {
    const imports = importsOf(path, code).filter((name) => files.has(name))
    byFile.set(path, imports)
    if (WORKER_ENTRIES.includes(path)) continue
    const folder = folderOf(path)
    const others = imports.map(folderOf).filter((other) => other !== folder)
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), ...others])
  }
  return { files: byFile, folders: byFolder }
}

/** Names of types that are declared in several folders. */
function namesakes(files: Files): string[] {
  const folders = new Map<string, Set<string>>()
  for (const [path, code] of files) {
    for (const [, name] of code.matchAll(
      /^(?:export )?(?:declare )?(?:abstract )?(?:interface|type|class|enum) (\w+)/gm,
    )) {
      folders.set(name!, (folders.get(name!) ?? new Set()).add(posix.dirname(path)))
    }
  }
  return Array.from(folders)
    .filter(([, where]) => where.size > 1)
    .map(([name, where]) => `${name}: ${[...where].join(', ')}`)
}

/**
 * Fields of layout.ts's structs that are not written as the one before plus a size: so they ascend and do not overlap. A
 * struct goes from a field at 0 to the NAME_BYTES of its name.
 */
function misplacedFields(code: string): string[] {
  const fields = Array.from(code.matchAll(/^export const (\w+) = (.*?)(?: \/\/.*)?$/gm), ([, name, value]) => ({
    name: name!,
    value: value!,
  }))
  const names = new Set(fields.map(({ name }) => name))
  const wrong: string[] = []
  let [struct, previous] = ['', '']
  for (const { name, value } of fields) {
    const prefix = name.slice(0, name.indexOf('_') + 1)
    if (struct === '') {
      if (value === '0' && names.has(`${prefix}BYTES`) && name !== `${prefix}BYTES`) [struct, previous] = [prefix, name]
      continue
    }
    if (prefix !== struct || !/^\w+ \+ (?!0$)[A-Z0-9_ *]+$/.test(value) || !value.startsWith(`${previous} + `)) {
      wrong.push(`${name} = ${value}`)
    }
    previous = name
    if (name === `${struct}BYTES`) struct = ''
  }
  return wrong
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

const SOURCES: Files = new Map(['assembly', 'js', 'workers'].flatMap(read))

test('rooms import from those before them only', () => {
  assert.equal(wrongRooms(SOURCES), [])
  const wrong: [path: string, code: string][] = [
    ['js/source/a.ts', "import type { A } from '../gguf/a.ts'"],
    ['js/source/a.ts', "import { A } from '../sampler/a.ts'"],
    ['js/engine/a.ts', "export type { A } from '../scheduler/a.ts'"],
    ['js/util/a.ts', "import { a } from '#platform'"],
    ['workers/pool.ts', "import type { A } from '../js/api/types.ts'"],
    ['js/api/a.ts', "import { a } from '../index.ts'"],
    ['js/cli/a.ts', "import { start } from '../../workers/leader.ts'"],
    ['js/errors.ts', "import { a } from './util/a.ts'"],
    ['js/new/a.ts', ''],
  ]
  for (const [path, code] of wrong) assert.is(wrongRooms(new Map([[path, code]])).length, 1, `${path}: ${code}`)
  const right: [path: string, code: string][] = [
    ['js/engine/a.ts', "import { A } from '../models/a.ts'\nimport { B } from './b.ts'"],
    ['js/index.ts', "export { a } from './convert/a.ts'"],
    ['js/conformance/a.ts', "import type * as cria from '../index.ts'"],
    ['workers/quantize.ts', "import { A } from '../js/quantize/a.ts'"],
  ]
  assert.equal(wrongRooms(new Map(right)), [])
})

test('no circle of imports, between files or folders', () => {
  const { files, folders } = graphs(SOURCES)
  assert.equal(circles(files), [])
  assert.equal(circles(folders), [])
  const between = new Map([
    ['js/a/x.ts', "import { y } from '../b/y.ts'"],
    ['js/b/y.ts', "import type { z } from '../c/z.ts'"],
    ['js/b/w.ts', ''],
    ['js/c/z.ts', "import { w } from '../b/w.ts'"],
  ])
  assert.equal(circles(graphs(between).files), [])
  assert.equal(circles(graphs(between).folders), [['js/b', 'js/c']])
  const within = new Map([
    ['js/a/x.ts', "import { y } from './y.ts'"],
    ['js/a/y.ts', "import type { x } from './x.ts'"],
  ])
  assert.equal(circles(graphs(within).files), [['js/a/x.ts', 'js/a/y.ts']])
})

test('no name of a type stands for two things', () => {
  assert.equal(namesakes(new Map([...SOURCES].filter(([path]) => !path.startsWith('assembly/')))), [])
  const twice = new Map([
    ['js/a/x.ts', 'interface Place {}\nexport type Other = 1'],
    ['js/a/y.ts', 'class Other {}'],
    ['js/b/z.ts', 'export class Place {}'],
  ])
  assert.equal(namesakes(twice), ['Place: js/a, js/b'])
})

test('engine and scheduler know no platform', () => {
  const found = [...SOURCES].filter(
    ([path, code]) => startsWithAny(path, WITHOUT_PLATFORM) && importsOf(path, code).includes('#platform'),
  )
  assert.equal(
    found.map(([path]) => path),
    [],
  )
})

test('one file makes instances of wasm, by the loader', () => {
  const found = [...SOURCES].filter(([, code]) =>
    /WebAssembly\.(?:Instance|instantiate)|@assemblyscript\/loader/.test(code),
  )
  assert.equal(
    found.map(([path]) => path),
    ['js/engine/wasm.ts'],
  )
})

test('only js/models asks for the architecture and reads its keys', () => {
  for (const code of [
    "getString(gguf.metadata, 'general.architecture')",
    "metadata.get('llama.block_count')",
    `getNumber(file, \`\${architecture}.block_count\`)`,
  ]) {
    assert.match(code, READS_ARCHITECTURE)
  }
  for (const code of ["entry('llama.block_count', 1)", "{ key: 'general.architecture', value: 'llama' }"]) {
    assert.not.match(code, READS_ARCHITECTURE)
  }
  const found = [...SOURCES].filter(([path, code]) => !path.startsWith(MODELS) && READS_ARCHITECTURE.test(code))
  assert.equal(
    found.map(([path]) => path),
    [],
  )
})

test('an architecture is one small file', () => {
  const large = [...SOURCES].filter(
    ([path, code]) =>
      path.startsWith(MODELS) &&
      !COMMON_MODEL_FILES.includes(posix.basename(path)) &&
      code.trimEnd().split('\n').length > MODEL_LINES,
  )
  assert.equal(
    large.map(([path]) => path),
    [],
  )
})

test('fields of shared structs ascend and do not overlap', () => {
  assert.equal(misplacedFields(SOURCES.get('assembly/layout.ts')!), [])
  const struct = (...fields: string[]): string => fields.map((field) => `export const ${field}`).join('\n')
  assert.equal(misplacedFields(struct('A_X = 0', 'A_Y = A_X + 4 // f32', 'A_BYTES = A_Y + 2 * B_BYTES')), [])
  assert.equal(misplacedFields(struct('KIND_X = 0', 'KIND_Y = 1', 'LIMIT = 2')), [])
  assert.equal(misplacedFields(struct('A_X = 0', 'A_Y = A_X + 4', 'A_Z = A_X + 4', 'A_BYTES = A_Z + 4')), [
    'A_Z = A_X + 4',
  ])
  assert.equal(misplacedFields(struct('A_X = 0', 'A_Y = 4', 'A_BYTES = A_Y + 4')), ['A_Y = 4'])
  assert.equal(misplacedFields(struct('A_X = 0', 'A_Y = A_X + 0', 'A_BYTES = A_Y + 4')), ['A_Y = A_X + 0'])
})

test('every folder stands on the map, and so does the order of rooms', () => {
  const [, map = ''] = /\n## The map\n(.*?)\n## /s.exec(readFileSync('CONTRIBUTING.md', 'utf8')) ?? []
  const tracked = existsSync('.git')
    ? execFileSync('git', ['ls-files'], { encoding: 'utf8' }).split('\n')
    : [...SOURCES.keys()]
  const folders = new Set(tracked.flatMap((path) => /^(?:js|tests)\/[\w-]+\/|^[\w-]+\//.exec(path) ?? []))
  assert.ok(folders.size > 10)
  for (const folder of folders) assert.ok(map.includes(`\`${folder}\``), `CONTRIBUTING.md's map lacks ${folder}`)
  const order = ROOMS.map((rooms) => rooms.join(', ')).join(' ← ')
  assert.ok(map.replaceAll(/\s+/g, ' ').includes(order), `CONTRIBUTING.md's map lacks the order ${order}`)
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
  const projects = readdirSync('tests/embedding', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const folders = ['.', 'tests/runtimes', 'tests/runtimes/arm64', 'tests/vocabularies', 'tests/bench/peers']
  for (const folder of [...folders, ...projects.map(({ name }) => `tests/embedding/${name}`)]) {
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
