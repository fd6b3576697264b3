/**
 * Prints what the package weighs, gzipped (level 9), and fails above a limit. What is shared is counted once in each row.
 *
 *     node scripts/size.mjs [--files] [FOLDER]     --files: also each file of dist/. FOLDER: default dist, made by the build
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'
import { TERSER } from './terser.mjs'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const { values, positionals } = parseArgs({ options: { files: { type: 'boolean' } }, allowPositionals: true })
const dist = positionals[0] ?? 'dist'

/** Chunks of capabilities that are imported when they are used: each has a row and a limit of its own. */
const LATE = ['chat-template', 'chat-rare-filters', 'api-chat-output', 'grammar-grammar', 'api-kept', 'store-store']
/** What a first visit of the app reads before it has a model. */
const SHELL = [
  'index.html',
  'app.js',
  'style.css',
  'service-worker.js',
  'manifest.webmanifest',
  'icon.svg',
  'icon-192.png',
]
/** Rows: what, bytes gzipped, the limit in bytes if there is one. */
const rows = [
  ['a page with workers: index, leader, thread, relaxed.wasm', page('relaxed'), 150_000],
  ['the same with simd.wasm', page('simd'), 150_000],
  ['chat templates, of a page with a chat model', late('chat-template'), 31_000],
  ['tools and reasoning, of a page that chats with them', late('api-chat-output', 'chat-template'), 10_500],
  ['the Jinja engine, without js/util', await part('js/chat/jinja/template.ts', ['./js/util/*']), 20_000],
  ['its filters that hardly any chat template names', late('chat-rare-filters', 'chat-template'), 2_500],
  ['the store of models, of a page that keeps them', late('api-kept'), 12_000],
  ['an edge function: edge, relaxed.wasm', gzipped([...reached([`${dist}/edge.js`]), `${dist}/relaxed.wasm`])],
  ['a page with cria/inline', gzipped(reached([`${dist}/web/inline.js`]))],
  ['grammars, of a page that constrains a text', besidePage('web/grammars'), 45_000],
  ['cria/grammar, of a page that has cria', besidePage('grammar'), 45_000],
  ['cria/ai, of a page that has cria', besidePage('ai'), 4_000],
  ['cria/prompt-api, of a page that has cria', besidePage('prompt-api'), 5_000],
  ["import { loadTokenizer } from 'cria'", await shaken('loadTokenizer', 'cria'), 40_000],
  ["import { loadTokenizer } from 'cria/tokenizer'", await shaken('loadTokenizer', 'cria/tokenizer'), 40_000],
  ["import { readGguf } from 'cria'", await shaken('readGguf', 'cria'), 40_000],
  ["import { readGguf } from 'cria/gguf'", await shaken('readGguf', 'cria/gguf'), 40_000],
  ["the app's shell, beside the runtime", gzipped(SHELL.map((name) => `${dist}/app/${name}`)), 65_000],
  ['the package without its model', packed(false), 620_000],
  ['the package', packed(true), 1_300_000],
]
if (values.files) {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((path) => /\.(js|wasm)$/.test(path))
  rows.push(...files.sort().map((path) => [path, gzipped([`${dist}/${path}`])]))
}
for (const [what, bytes, limit] of rows) {
  const [kilobytes, most] = [bytes, limit].map((value) => (value === undefined ? '' : (value / 1000).toFixed(1)))
  console.log(`${what.padEnd(56)} ${kilobytes.padStart(7)} kB${limit === undefined ? '' : `, limit ${most}`}`)
}
const over = rows.filter(([, bytes, limit]) => bytes > limit)
for (const [what] of over) console.error(`too large: ${what}`)
process.exitCode = over.length > 0 ? 1 : 0

function gzipped(paths) {
  return paths.reduce((sum, path) => sum + gzipSync(readFileSync(path), { level: 9 }).length, 0)
}

function page(isa) {
  const scripts = ['index', 'leader', 'thread'].map((name) => `${dist}/web/${name}.js`)
  return gzipped([...reached(scripts, new Set(), LATE), `${dist}/${isa}.wasm`])
}

/** What a capability adds to the page, which has another already. */
function late(chunk, other) {
  return besidePage(`chunks/${chunk}`, other ? [`${dist}/chunks/${other}.js`] : [])
}

function besidePage(module, others = []) {
  const scripts = ['index', 'leader', 'thread'].map((name) => `${dist}/web/${name}.js`)
  const before = [...reached(scripts, new Set(), LATE), ...reached(others)]
  return gzipped(reached([`${dist}/${module}.js`]).filter((path) => !before.includes(path)))
}

/** Modules and all that they import, at once or later, but for some chunks. */
function reached(paths, found = new Set(), without = []) {
  for (const path of paths) {
    if (found.has(path) || without.includes(posix.basename(path, '.js'))) continue
    found.add(path)
    const imports = readFileSync(path, 'utf8').matchAll(/(?:\bfrom|\bimport)\s*\(?"(\.[^"]+)"/g)
    reached(
      Array.from(imports, ([, from]) => posix.join(posix.dirname(path), from)),
      found,
      without,
    )
  }
  return [...found]
}

/** One name of the package, as a bundler takes it into a page. */
async function shaken(name, from) {
  const { outputFiles } = await build({
    stdin: { contents: `import { ${name} } from '${from}'\nconsole.log(${name})`, resolveDir: '.' },
    bundle: true,
    minify: true,
    format: 'esm',
    conditions: ['browser'],
    write: false,
    logLevel: 'error',
  })
  return gzipSync(outputFiles[0].contents, { level: 9 }).length
}

/** A module and all that it imports but for `external`, made as the build makes it. */
async function part(entry, external) {
  const options = { bundle: true, minify: true, format: 'esm', target: 'es2022', write: false }
  const { outputFiles } = await build({ ...options, entryPoints: [entry], external })
  const { code } = await minify(outputFiles[0].text, TERSER)
  return gzipSync(code, { level: 9 }).length
}

/** The tarball that npm would publish, with or without what is in models/. */
function packed(withModel) {
  const list = output('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'])
  const files = JSON.parse(list)[0].files.map(({ path }) => path)
  const chosen = withModel ? files : files.filter((path) => !path.endsWith('.gguf'))
  return gzipSync(output('tar', ['-c', '--format=ustar', ...chosen], 'buffer'), { level: 9 }).length
}

function output(file, args, encoding = 'utf8') {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding, maxBuffer: 64 * 1024 * 1024 })
  if (status !== 0) throw new Error(`${file}: ${error?.message ?? stderr}`)
  return stdout
}
