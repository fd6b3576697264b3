/**
 * Builds dist/app/ from app/: the files of the chat app but for cria's runtime, which lies in dist/ and is not packed twice.
 * `files.json` says which files a site of it has, by their addresses; `cria serve` and `cria app` go by it.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { posix } from 'node:path'
import { build } from 'esbuild'
import { iconPng, iconSvg } from './app-icons.mjs'

const OUT = 'dist/app'
/** What the page itself may do. Models come from any address that its reader names, the hub's among them. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "manifest-src 'self'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types cria cria-app dompurify',
].join('; ')
/** What a page of cria's starts, in dist/. */
const RUNTIME = ['web/index.js', 'web/leader.js', 'web/thread.js']
const WASM = ['relaxed.wasm', 'simd.wasm']
const MODEL = 'stories260K.gguf'
/** Packages in the bundle. */
const PACKAGES = ['preact', '@preact/signals', '@preact/signals-core', 'marked', 'dompurify']
/** Of the files that the build makes, those that a page has no use for offline. */
const SIDE_FILES = ['licenses.txt']

const OPTIONS = {
  bundle: true,
  minify: true,
  target: 'es2022',
  write: false,
  logLevel: 'warning',
  jsx: 'automatic',
  jsxImportSource: 'preact',
}

/** Names of the files in dist/app/. */
export const APP_FILES = [
  ...['index.html', 'app.js', 'style.css', 'service-worker.js', 'manifest.webmanifest'],
  ...['icon.svg', 'icon-192.png', 'icon-512.png', 'licenses.txt', 'files.json'],
]

export async function buildApp() {
  const script = await build({ ...OPTIONS, format: 'esm', entryPoints: ['app/main.tsx'] })
  const style = await build({ ...OPTIONS, entryPoints: ['app/style.css'] })
  const files = {
    'index.html': readFileSync('app/index.html', 'utf8').replace('CRIA_POLICY', POLICY),
    'app.js': `/*! With ${PACKAGES.join(', ')}: see licenses.txt */\n${script.outputFiles[0].text}`,
    'style.css': style.outputFiles[0].text,
    'manifest.webmanifest': JSON.stringify(JSON.parse(readFileSync('app/manifest.webmanifest', 'utf8'))),
    'icon.svg': iconSvg(),
    'icon-192.png': iconPng(192),
    'icon-512.png': iconPng(512),
    'licenses.txt': licenses(),
  }
  const runtime = [...reached(RUNTIME), ...WASM]
  const contents = [...Object.values(files), ...runtime.map((path) => readFileSync(`dist/${path}`))]
  const hash = createHash('sha256')
  for (const content of contents) hash.update(content)
  const kept = [...Object.keys(files).filter((name) => !SIDE_FILES.includes(name)), ...runtime, MODEL]
  const worker = await build({
    ...OPTIONS,
    format: 'iife',
    entryPoints: ['app/service-worker.ts'],
    define: {
      // The page goes by the address of its folder.
      CRIA_FILES: JSON.stringify(kept.map((name) => (name === 'index.html' ? './' : name))),
      CRIA_FILES_HASH: JSON.stringify(hash.digest('hex').slice(0, 16)),
    },
  })
  files['service-worker.js'] = worker.outputFiles[0].text
  const addresses = {
    ...Object.fromEntries(Object.keys(files).map((name) => [name, `app/${name}`])),
    ...Object.fromEntries(runtime.map((path) => [path, path])),
    [MODEL]: `../models/${MODEL}`,
  }
  files['files.json'] = JSON.stringify({ policy: POLICY, files: addresses }, null, 1)
  for (const [name, content] of Object.entries(files)) writeFileSync(`${OUT}/${name}`, content)
}

/** Modules of dist/ and all that they import, at once or later. */
function reached(paths, found = new Set()) {
  for (const path of paths) {
    if (found.has(path)) continue
    found.add(path)
    const imports = readFileSync(`dist/${path}`, 'utf8').matchAll(/(?:\bfrom|\bimport)\s*\(?"(\.[^"]+)"/g)
    reached(
      Array.from(imports, ([, from]) => posix.join(posix.dirname(path), from)),
      found,
    )
  }
  return [...found]
}

function licenses() {
  const require = createRequire(import.meta.url)
  const texts = PACKAGES.map((name) => {
    const folder = posix.join('node_modules', name)
    const { version, license } = require(`../${folder}/package.json`)
    return `${name} ${version}, ${license}\n\n${readFileSync(`${folder}/LICENSE`, 'utf8').trim()}\n`
  })
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}
