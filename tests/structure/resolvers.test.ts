/** Resolvers that do not know the field `exports` of package.json: they go by `main`, `browser` and files. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { installPackage, run, tool, toolTest } from '../package-home.ts'

const { home } = installPackage()
const installed = realpathSync(join(home, 'node_modules/cria'))
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, Record<string, string>>
  files: string[]
  typesVersions: { '*': Record<string, string[]> }
}
/** `cria`, `cria/gguf` and so on, without package.json, each with its conditions. */
const entries = Object.entries(manifest.exports).flatMap(([subpath, conditions]) =>
  subpath === './package.json' ? [] : [[subpath.replace('.', 'cria'), conditions] as const],
)
const modules = entries.filter(([name]) => !name.endsWith('.wasm'))

/** What a module of the package's folder exports, by the path that a resolver found. */
async function names(path: string): Promise<string[]> {
  const code = `import * as module from ${JSON.stringify(join(installed, path))}; console.log(JSON.stringify(Object.keys(module)))`
  return JSON.parse(run(process.execPath, ['--input-type=module', '-e', code]).stdout) as string[]
}

test('the fields for older resolvers are those of exports', () => {
  assert.ok(entries.length >= 9)
  for (const [name, { types }] of entries) {
    const subpath = name.slice('cria/'.length)
    if (subpath) assert.equal(manifest.typesVersions['*'][subpath], [types], name)
    if (subpath && !subpath.endsWith('.wasm')) assert.ok(manifest.files.includes(`${subpath}.js`), name)
  }
  assert.is(Object.keys(manifest.typesVersions['*']).length, entries.length - 1)
})

toolTest('resolve, which browserify and linters use, finds every module', 'resolve/index.js', async () => {
  const resolve = createRequire(import.meta.url)(tool('resolve/index.js')) as {
    sync(name: string, options: object): string
  }
  for (const [name, conditions] of modules) {
    const found = relative(installed, realpathSync(resolve.sync(name, { basedir: home })))
    assert.equal(await names(found), await names(conditions.node ?? conditions.default!), name)
  }
})

/** What the parts of enhanced-resolve are called with. */
interface EnhancedResolve {
  create: { sync(options: object): (folder: string, name: string) => string }
}

toolTest('webpack 4 finds what is for pages, and what is for Node', 'enhanced-resolve/lib/index.js', async () => {
  const { create } = createRequire(import.meta.url)(tool('enhanced-resolve/lib/index.js')) as EnhancedResolve
  const old = { exportsFields: [], extensions: ['.wasm', '.mjs', '.js', '.json'] }
  const page = create.sync({ ...old, aliasFields: ['browser'], mainFields: ['browser', 'module', 'main'] })
  const node = create.sync({ ...old, mainFields: ['module', 'main'] })
  for (const [name, conditions] of entries) {
    // A module beside package.json passes on one of dist/, which is asked for from there.
    const forPage = within(page(home, name), page)
    // These bundlers follow no `new URL(…, import.meta.url)`.
    const wanted = name === 'cria' ? './dist/web/inline.js' : (conditions.browser ?? conditions.default!)
    assert.is(forPage, join(wanted), name)
    if (name.endsWith('.wasm')) continue
    assert.is(within(node(home, name), node), join(conditions.node ?? conditions.default!), name)
  }
})

/** Below the package's folder, where the modules beside its package.json lead. */
function within(path: string, resolve: (folder: string, name: string) => string): string {
  const found = relative(installed, realpathSync(path))
  if (found.startsWith('dist/')) return found
  const [, target] = /^export \* from '(.+)'\n$/.exec(readFileSync(join(installed, found), 'utf8'))!
  return relative(installed, realpathSync(resolve(installed, target!)))
}

test('every module that is passed on is there', () => {
  for (const [name, conditions] of entries) {
    for (const path of Object.values(conditions)) assert.ok(existsSync(join(installed, path)), `${name}: ${path}`)
  }
})

test.run()
