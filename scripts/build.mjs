/**
 * Builds what is never committed: build/wasm from assembly/, dist/ from js/ and workers/, dist/app from app/. Says one line a step on stderr
 * and nothing on stdout; a step whose inputs are unchanged is skipped in silence.
 *
 *     node scripts/build.mjs [--wat]     --wat also writes build/wasm/<target>.wat
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { compress } from 'lzma1'
import { minify } from 'terser'
import { APP_FILES, buildApp } from './build-app.mjs'
import { problems, readModules } from './check-wasm.mjs'
import { TERSER } from './terser.mjs'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** What modules of js/platform/ lack that are for workers. */
const LACKS = { 'web-worker': ['spawn', 'unpack', 'store'] }
/** What a leader of Node's has beside its workings: a chunk that is imported when it is used. */
const GRAMMARS = "import { provideLate } from './workers/late-grammars.ts'\nprovideLate()"
/** The same where nothing can be imported later on. */
const ALL_GRAMMARS = `import { provideGrammars } from './workers/grammars.ts'
import * as grammars from './js/grammar/grammar.ts'
provideGrammars(async () => grammars)`
/** What a module for users gives, beside its platform's workings. */
const MODULES = ['index', 'tokenizer', 'gguf', 'store']
/**
 * What dist/ is made of: each entry provides the runtime's module of js/platform/ and then gives or starts something. All
 * entries share their code, which lies in dist/chunks/; so does the code of the platforms, whose paths begin there.
 */
const ENTRIES = {
  ...Object.fromEntries(MODULES.map((name) => [name, offer('node', name)])),
  cli: "import 'provide:node'\nimport './js/cli/main.ts'",
  leader: `${GRAMMARS}\n${run('node', 'leader')}`,
  thread: run('node', 'thread'),
  quantize: run('node', 'quantize'),
  ...Object.fromEntries(MODULES.map((name) => [`web/${name}`, offer('web', name)])),
  'web/leader': run('web-worker', 'leader'),
  'web/grammars': `${ALL_GRAMMARS}\n${run('web-worker', 'leader')}`,
  'web/thread': run('web-worker', 'thread'),
  'web/quantize': run('web-worker', 'quantize'),
  edge: offerWithEngine('edge'),
  'web/inline': offerWithEngine('inline'),
  conformance: "export * from './js/conformance/index.ts'",
  server: "export * from './js/server.ts'",
  grammar: "export * from './js/grammar.ts'",
  ai: "export * from './js/ai.ts'",
  'prompt-api': "export * from './js/prompt-api.ts'",
}

/**
 * The script of all workers, for code that holds everything within itself: classic, so that pages and Node's `eval` take it.
 * Its global `name` says which it is and, after that, whether it is in Node. The wasm is given.
 */
const INLINE_WORKER = `
import { provide } from './js/platform/injected.ts'
import * as web from './js/platform/web-common.ts'
import { start as leader } from './workers/leader.ts'
import { start as quantize } from './workers/quantize.ts'
import { start as thread } from './workers/thread.ts'
${ALL_GRAMMARS}
const [, kind, node] = globalThis.name.split(' ')
const begin = (platform) => {
  provide(platform)
  ;({ leader, grammars: leader, thread, quantize })[kind]()
}
if (node) import('./js/platform/node-common.ts').then(begin)
else begin(web)`
/** esbuild's, of all bundles. */
const OPTIONS = {
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  // Without a target esbuild may emit what Node 20 lacks.
  target: 'es2022',
  external: ['node:*'],
  define: {
    CRIA_VERSION: JSON.stringify(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version),
  },
  // Errors, which are known by the names of their classes, state them.
  minify: true,
  write: false,
  logLevel: 'warning',
}
const TERSER_VERSION = JSON.stringify(TERSER) + createRequire(import.meta.url)('terser/package.json').version
/**
 * Targets that stay out of dist/: for tests, and those without shared memory. The -threads targets serve for both, as the
 * files simd.wasm and relaxed.wasm: what differs is a flag (js/engine/wasm-build.ts), which is not set in the files.
 */
const UNPACKED = ['scalar', 'simd', 'relaxed']

const WASM = 'build/wasm'
const DIST = 'dist'
const TYPES = 'dist/types'
/** The module of js/ that has what declarations name of the web. */
const GLOBALS = 'util/globals'
const STAMPS = 'build/stamps.json'
const SHRUNK = 'build/shrunk'
/** A change of the build itself or of a tool's version makes every step stale. */
const TOOLS = ['scripts/build.mjs', 'scripts/compile.mjs', 'scripts/terser.mjs', 'package-lock.json']
const APP_TOOLS = ['scripts/build-app.mjs', 'scripts/app-icons.mjs']

const wat = process.argv.includes('--wat')
const stamps = existsSync(STAMPS) ? JSON.parse(readFileSync(STAMPS, 'utf8')) : {}

/** An object that esbuild writes out: namespaces would need its helpers, and a page their bytes. */
function provide(platform) {
  const all = readFileSync('js/platform/injected.ts', 'utf8').matchAll(/^export const (\w+)/gm)
  const names = Array.from(all, ([, name]) => name).filter((name) => !(LACKS[platform] ?? []).includes(name))
  return `import { provide } from './js/platform/injected.ts'
import { ${names} } from './js/platform/${platform}.ts'
provide({ ${names} })`
}

function offer(platform, module) {
  return `${provide(platform)}\nexport * from './js/${module}.ts'`
}

/** For places where nothing can be imported later on. */
function offerWithEngine(platform) {
  return `${offer(platform, 'index')}
import { provideLeader } from './workers/in-process.ts'
import { LeaderModel } from './workers/leader-model.ts'
provideLeader(LeaderModel)
import { provideTemplates } from './js/api/templates.ts'
import * as chatOutput from './js/api/chat-output.ts'
import { provideRareFilters } from './js/chat/rare-filters.ts'
import * as templates from './js/chat/template.ts'
provideRareFilters()
provideTemplates(templates, chatOutput)
${ALL_GRAMMARS}`
}

function run(platform, worker) {
  return `${provide(platform)}\nimport { start } from './workers/${worker}.ts'\nstart()`
}

try {
  await compile()
  checkWasm()
  await bundle()
  await app()
  forward()
  declare()
} catch (error) {
  console.error(`build: ${error.message}`)
  process.exitCode = 1
}

/**
 * The hash of what a step reads, or undefined where its last run read the same and its outputs are all there. A stale
 * step loses its stamp until it is done, so that one which fails half-way runs again.
 */
function stale(step, inputs, outputs) {
  const hash = createHash('sha256')
  for (const path of [...TOOLS, ...inputs].flatMap(filesUnder).sort())
    hash.update(`${path}\0`).update(readFileSync(path))
  const digest = hash.digest('hex')
  if (stamps[step] === digest && outputs.every((path) => existsSync(path))) return undefined
  stamp(step, undefined)
  return digest
}

function stamp(step, digest) {
  stamps[step] = digest
  mkdirSync('build', { recursive: true })
  writeFileSync(STAMPS, JSON.stringify(stamps, null, 2))
}

/** Deletes what earlier builds left in a folder: the files directly in it that are not among `outputs`. */
function sweep(folder, outputs) {
  mkdirSync(folder, { recursive: true })
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isFile() && !outputs.includes(`${folder}/${entry.name}`)) rmSync(`${folder}/${entry.name}`)
  }
}

function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path).flatMap((name) => filesUnder(join(path, name)))
}

function say(step, start, what) {
  console.error(`build: ${step}, ${((performance.now() - start) / 1000).toFixed(1)} s${what ? `: ${what}` : ''}`)
}

/** assembly/ → build/wasm/<target>.wasm, several targets at once, each asc in a worker of its own. */
async function compile() {
  const start = performance.now()
  const targets = Object.keys(JSON.parse(readFileSync('asconfig.json', 'utf8')).targets)
  const outputs = targets.flatMap((target) => [`${WASM}/${target}.wasm`, ...(wat ? [`${WASM}/${target}.wat`] : [])])
  const digest = stale('wasm', ['assembly', 'asconfig.json'], outputs)
  if (!digest) return
  sweep(WASM, outputs)
  const queue = [...targets]
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), targets.length) }, () => compileFrom(queue)))
  const bytes = targets.map((target) => `${target} ${readFileSync(`${WASM}/${target}.wasm`).length}`)
  stamp('wasm', digest)
  say('wasm', start, `${bytes.join(', ')} bytes`)
}

/** Takes targets off the queue until it is empty or one fails. */
async function compileFrom(queue) {
  const worker = new Worker(new URL('./compile.mjs', import.meta.url))
  try {
    for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
      const args = ['--target', target, ...(wat ? ['--textFile', `${WASM}/${target}.wat`] : [])]
      const { failed, messages } = await new Promise((resolve, reject) => {
        worker.once('message', resolve).once('error', reject).postMessage(args)
      })
      if (failed) throw new Error(`asc --target ${target}\n${messages}`)
      if (messages) console.error(messages)
    }
  } finally {
    queue.length = 0
    await worker.terminate()
  }
}

function checkWasm() {
  const found = problems(readModules(WASM))
  if (found.length > 0) throw new Error(['the wasm breaks its rules:', ...found].join('\n  '))
}

/** js/ and workers/ → dist/: a module an entry, the code they share, and the wasm that they load. */
async function bundle() {
  const start = performance.now()
  const targets = [...readModules(WASM).keys()].filter((target) => !UNPACKED.includes(target))
  const packed = targets.map((target) => target.replace('-threads', ''))
  const outputs = [
    ...Object.keys(ENTRIES).map((name) => `${DIST}/${name}.js`),
    ...packed.map((name) => `${DIST}/${name}.wasm`),
  ]
  const inputs = [
    'js',
    'workers',
    'assembly/layout.ts',
    'package.json',
    ...targets.map((target) => `${WASM}/${target}.wasm`),
  ]
  const digest = stale('dist', inputs, outputs)
  if (!digest) return
  for (const folder of [DIST, `${DIST}/web`, `${DIST}/chunks`]) sweep(folder, outputs)
  for (const target of targets) packWasm(target)
  const shrunk = []
  // Classic: see js/platform/inline.ts.
  const worker = await build({
    ...OPTIONS,
    format: 'iife',
    entryPoints: ['inline-worker:'],
    plugins: [entries({})],
  })
  const inlined = inlinedModule(await shrink(worker.outputFiles[0].text, shrunk))
  const { outputFiles, metafile } = await build({
    ...OPTIONS,
    entryPoints: Object.fromEntries(Object.keys(ENTRIES).map((name) => [name, `entry:${name}`])),
    plugins: [entries({ inlined })],
    outdir: DIST,
    chunkNames: 'chunks/[name]-[hash]',
    splitting: true,
    metafile: true,
  })
  const node = new Set(
    Object.keys(ENTRIES)
      .filter((name) => /platform\/node\.ts|provide:node/.test(ENTRIES[name]))
      .map((name) => `${DIST}/${name}.js`),
  )
  const modules = new Map(outputFiles.map(({ path, text }) => [relative('.', path), text]))
  const names = chunkNames(metafile.outputs)
  const isEmpty = (path) => modules.get(path).trim() === '' || Object.keys(metafile.outputs[path].inputs).length === 0
  for (const [path, text] of modules) {
    // Modules that only pass on what others export become empty chunks.
    if (text.trim() === '') continue
    // Chunks have no effects: one that is imported for nothing is sooner on its way to a browser, and more to read for Node.
    const code = text.replaceAll(/import"(\.[^"]+)";/g, (statement, from) =>
      node.has(path) || isEmpty(join(dirname(path), from)) ? '' : statement,
    )
    const out = rename(path, names)
    mkdirSync(dirname(out), { recursive: true })
    writeFileSync(out, await shrink(rename(code, names), shrunk))
  }
  sweep(SHRUNK, shrunk)
  makeExecutable(`${DIST}/cli.js`)
  stamp('dist', digest)
  say(
    'dist',
    start,
    `${outputFiles.length} modules, ${outputFiles.reduce((sum, { contents }) => sum + contents.length, 0)} bytes`,
  )
}

/** app/ → dist/app/, whose service worker names what is in the rest of dist/. */
async function app() {
  const start = performance.now()
  const outputs = APP_FILES.map((name) => `${DIST}/app/${name}`)
  const digest = stale('app', ['app', ...APP_TOOLS, `${DIST}/web`, `${DIST}/chunks`], outputs)
  if (!digest) return
  sweep(`${DIST}/app`, outputs)
  await buildApp()
  stamp('app', digest)
  say('app', start, `${outputs.length} files`)
}

/** Resolves what ENTRIES are written in. `inlined`: the module of that name. */
function entries({ inlined }) {
  const namespace = 'entries'
  const codes = {
    entry: (name) => ENTRIES[name],
    provide,
    'inline-worker': () => INLINE_WORKER,
    inlined: () => inlined,
  }
  const setup = ({ onResolve, onLoad }) => {
    onResolve({ filter: /^(entry|provide|inline-worker):/ }, ({ path }) => ({ path, namespace, sideEffects: true }))
    onResolve({ filter: /^inlined$/ }, ({ path }) => ({ path, namespace }))
    onResolve({ filter: /^#platform$/ }, () => ({ path: resolve('js/platform/injected.ts') }))
    // The package says of its sources that they have no side effects; the command line is one.
    onResolve({ filter: /cli\/main\.ts$/ }, () => ({ path: resolve('js/cli/main.ts'), sideEffects: true }))
    onLoad({ filter: /./, namespace }, ({ path }) => {
      const [kind, name] = path.split(':')
      return { contents: codes[kind](name), resolveDir: '.' }
    })
  }
  return { name: 'entries', setup }
}

/** The module that js/platform/inlined.d.ts declares. */
function inlinedModule(worker) {
  const names = ['relaxed', 'simd', 'quantize']
  const files = names.map((name) => readFileSync(`${DIST}/${name}.wasm`))
  return `export const worker = ${packed(Buffer.from(worker))}
export const wasm = ${packed(Buffer.concat(files))}
export const sizes = { ${names.map((name, i) => `${name}: ${files[i].length}`)} }`
}

/** Bytes as a literal, for js/platform/lzma.ts: a sixth less than zlib makes of them. */
function packed(bytes) {
  return JSON.stringify(Buffer.from(compress(bytes, 9)).toString('base64'))
}

/**
 * What terser makes of esbuild's code: 3% less. It takes a while, and so what it makes of each module is kept in a folder
 * until the module is another; `used` gets its path.
 */
async function shrink(code, used) {
  const path = `${SHRUNK}/${createHash('sha256').update(TERSER_VERSION).update(code).digest('hex')}.js`
  used.push(path)
  if (existsSync(path)) return readFileSync(path, 'utf8')
  const { code: small } = await minify(code, TERSER)
  mkdirSync(SHRUNK, { recursive: true })
  writeFileSync(path, small)
  return small
}

/**
 * esbuild's names of chunks → names that last: that of the module that is imported later on, or else of the largest source in
 * each, our own before others'. Without any it is esbuild's helpers.
 */
function chunkNames(outputs) {
  const names = new Map()
  for (const [path, { inputs, entryPoint }] of Object.entries(outputs)) {
    if (!path.startsWith(`${DIST}/chunks/`)) continue
    const foreign = (source) => Number(source.startsWith('node_modules/'))
    const [[largest] = ['helpers']] = Object.entries(inputs).sort(
      ([a, { bytesInOutput: aBytes }], [b, { bytesInOutput: bBytes }]) => foreign(a) - foreign(b) || bBytes - aBytes,
    )
    const wanted = (entryPoint ?? largest)
      .replace(/^entries:|\.\w+$/g, '')
      .split('/')
      .slice(-2)
      .join('-')
    const taken = [...names.values()].filter((name) => name.replace(/-\d+$/, '') === wanted).length
    names.set(basename(path, '.js'), taken ? `${wanted}-${taken + 1}` : wanted)
  }
  return names
}

function rename(text, names) {
  return [...names].reduce((all, [from, to]) => all.replaceAll(from, to), text)
}

/** A target as a file of dist/: its name in a custom section, its memory not shared. */
function packWasm(target) {
  const wasm = readFileSync(`${WASM}/${target}.wasm`)
  const name = target.replace('-threads', '')
  if (name !== target) {
    const field = Buffer.from('\x03env\x06memory\x02')
    const flags = wasm.indexOf(field) + field.length
    if (wasm[flags] !== 3) throw new Error(`${target}.wasm imports no shared memory with a maximum`)
    wasm[flags] = 1
  }
  const [section, content] = [Buffer.from('cria'), Buffer.from(name)]
  const header = Buffer.from([0, 1 + section.length + content.length, section.length])
  writeFileSync(`${DIST}/${name}.wasm`, Buffer.concat([wasm, header, section, content]))
}

function makeExecutable(path) {
  const code = readFileSync(path, 'utf8')
  if (!code.startsWith('#!')) writeFileSync(path, `#!/usr/bin/env node\n${code}`)
  chmodSync(path, 0o755)
}

/**
 * Modules beside package.json, named as the subpaths of its `exports`: for resolvers that know files alone, such as Parcel's,
 * browserify's and those of webpack 4 and of older linters. The field `browser` leads from them to what is for pages.
 */
function forward() {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const [subpath, conditions] of Object.entries(exports)) {
    const target = conditions.node ?? conditions.default
    if (subpath === '.' || !target?.endsWith('.js')) continue
    writeFileSync(`${subpath}.js`, `export * from '${target}'\n`)
  }
}

/** The types of what users import. Types are checked by `npm run check`, not here. */
function declare() {
  const start = performance.now()
  const roots = [...MODULES, 'conformance/index', 'server', 'grammar', 'ai', 'prompt-api'].map(
    (name) => `${TYPES}/js/${name}.d.ts`,
  )
  const digest = stale('types', ['js', 'workers', 'assembly/layout.ts', 'tsconfig.json', 'tsconfig.build.json'], roots)
  if (!digest) return
  rmSync(TYPES, { recursive: true, force: true })
  const { status, stdout } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`tsc -p tsconfig.build.json\n${stdout}`)
  writeFileSync(`${TYPES}/wasm.d.ts`, 'declare const wasm: WebAssembly.Module\nexport default wasm\n')
  const reached = new Set()
  for (const root of [...roots, `${TYPES}/wasm.d.ts`, `${TYPES}/js/${GLOBALS}.d.ts`]) reach(root, reached)
  for (const path of filesUnder(TYPES)) {
    if (reached.has(path)) writeFileSync(path, standing(path, readFileSync(path, 'utf8')))
    else rmSync(path)
  }
  stamp('types', digest)
  say('types', start, `${reached.size} files`)
}

/** A declaration file for every program: its imports end in `.js`, and js/util/globals.ts gives it what the web has. */
function standing(path, text) {
  const code = text
    .replace(/(['"]\.[^'"]+)\.ts(?=['"])/g, '$1.js')
    .replaceAll('Uint8Array<ArrayBuffer>', 'Bytes')
    .replaceAll('typeof globalThis.fetch', 'Fetch')
  if (path === `${TYPES}/js/${GLOBALS}.d.ts`) return code
  const globals = readFileSync(`js/${GLOBALS}.ts`, 'utf8').matchAll(/^export \w+ (\w+)/gm)
  const uncommented = code.replace(/\/\*[\s\S]*?\*\//g, '')
  const used = Array.from(globals, ([, name]) => name).filter((name) => new RegExp(`\\b${name}\\b`).test(uncommented))
  if (used.length === 0) return code
  const from = `./${relative(dirname(path), `${TYPES}/js/${GLOBALS}.js`)}`
  return `import type { ${used.join(', ')} } from '${from.replace('./..', '..')}'\n${code}`
}

/** Adds a declaration file and all that it imports. */
function reach(path, reached) {
  if (reached.has(path)) return
  reached.add(path)
  for (const [, from] of readFileSync(path, 'utf8').matchAll(/\b(?:from |import\()['"](\.[^'"]+)\.[jt]s['"]/g)) {
    reach(join(dirname(path), `${from}.d.ts`), reached)
  }
}
