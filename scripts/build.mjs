/**
 * Builds what is never committed: build/wasm from assembly/, dist/ from js/ and workers/. Says one line a step on stderr
 * and nothing on stdout; a step whose inputs are unchanged is skipped in silence.
 *
 *     node scripts/build.mjs [--wat]     --wat also writes build/wasm/<target>.wat
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { problems, readModules } from './check-wasm.mjs'

/**
 * One row a variant of the package: where it goes, which branch of `imports` it takes, its entries. The wasm lies in the
 * first one's folder, once for all of them.
 */
const BUNDLES = [
  {
    outdir: 'dist',
    conditions: ['node'],
    entries: {
      index: 'js/index.ts',
      cli: 'js/cli/main.ts',
      leader: 'workers/leader.ts',
      thread: 'workers/thread.ts',
    },
    wasm: true,
  },
  {
    outdir: 'dist/web',
    conditions: ['browser'],
    entries: {
      index: 'js/index.ts',
      leader: 'workers/leader.ts',
      thread: 'workers/thread.ts',
    },
    // Names stay: errors are known by those of their classes.
    minify: { minifyWhitespace: true, minifySyntax: true },
  },
]
/** Targets that are for tests and stay out of dist/. */
const TEST_TARGETS = ['scalar']

const WASM = 'build/wasm'
const STAMPS = 'build/stamps.json'
/** A change of the build itself or of a tool's version makes every step stale. */
const TOOLS = ['scripts/build.mjs', 'scripts/compile.mjs', 'package-lock.json']

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const wat = process.argv.includes('--wat')
const stamps = existsSync(STAMPS) ? JSON.parse(readFileSync(STAMPS, 'utf8')) : {}

try {
  await compile()
  checkWasm()
  await bundle()
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

function present(path) {
  if (!existsSync(path)) console.error(`build: ${path} is absent: left out`)
  return existsSync(path)
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

/** js/ and workers/ → one module an entry, and the wasm that they load. */
async function bundle() {
  const packed = readdirSync(WASM).filter(
    (file) => file.endsWith('.wasm') && !TEST_TARGETS.includes(basename(file, '.wasm')),
  )
  for (const { outdir, conditions, entries: all, wasm: holdsWasm, minify } of BUNDLES) {
    const wasm = holdsWasm ? packed : []
    const start = performance.now()
    const entries = Object.fromEntries(Object.entries(all).filter(([, path]) => present(path)))
    const names = Object.keys(entries)
    const outputs = [...names.map((name) => `${outdir}/${name}.js`), ...wasm.map((file) => `${outdir}/${file}`)]
    const inputs = ['js', 'workers', 'assembly/layout.ts', 'package.json', ...wasm.map((file) => `${WASM}/${file}`)]
    const digest = stale(outdir, inputs, outputs)
    if (!digest) continue
    sweep(outdir, outputs)
    for (const file of wasm) copyFileSync(`${WASM}/${file}`, `${outdir}/${file}`)
    const { metafile } = await build({
      entryPoints: entries,
      outdir,
      conditions,
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      // Without a target esbuild may emit what Node 20 lacks.
      target: 'es2022',
      external: ['node:*'],
      ...minify,
      metafile: true,
      logLevel: 'warning',
    })
    if (entries.cli) makeExecutable(`${outdir}/cli.js`)
    const sizes = Object.entries(metafile.outputs).map(([path, { bytes }]) => `${basename(path)} ${bytes}`)
    stamp(outdir, digest)
    say(outdir, start, `${sizes.join(', ')} bytes`)
  }
}

function makeExecutable(path) {
  const code = readFileSync(path, 'utf8')
  if (!code.startsWith('#!')) writeFileSync(path, `#!/usr/bin/env node\n${code}`)
  chmodSync(path, 0o755)
}

/** js/index.ts and what it reaches → dist/types. Types are checked by `npm run check`, not here. */
function declare() {
  if (!present('js/index.ts')) return
  const start = performance.now()
  const digest = stale(
    'types',
    ['js', 'assembly/layout.ts', 'tsconfig.json', 'tsconfig.build.json'],
    ['dist/types/js/index.d.ts'],
  )
  if (!digest) return
  rmSync('dist/types', { recursive: true, force: true })
  const { status, stdout } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`tsc -p tsconfig.build.json\n${stdout}`)
  stamp('types', digest)
  say('types', start)
}
