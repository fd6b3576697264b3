/** Programs for Node and its like that were traced or bundled, and run where there is no node_modules. */
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { load } from '../../js/index.ts'
import { STORIES } from '../api-helpers.ts'
import { installPackage, run, tool, toolTest, webpack } from '../package-home.ts'

const installed = installPackage()
const PROMPT = 'Once upon a time'
const GREEDY = { maxTokens: 20, temperature: 0 }
const reference = await load(STORIES, { threads: 1, inProcess: true })
const { text: story } = await reference.generate(PROMPT, GREEDY).result()
await reference.close()

/** Two threads tell a story, and two requantize the model. Without `await` outside of functions, as CommonJS has none. */
const PROGRAM = `import { load, quantize } from 'cria'
async function main(path) {
  const model = await load(path, { threads: 2 })
  const { text } = await model.generate('${PROMPT}', ${JSON.stringify(GREEDY)}).result()
  await model.close()
  let bytes = 0
  const options = { threads: 2, allowRequantize: true, onWarning() {} }
  for await (const chunk of quantize(path, 'Q8_0', options)) bytes += chunk.length
  console.log(JSON.stringify({ text, threads: model.info.threads, quantized: bytes > 300000 }))
}
main(process.argv[2])
`
const TOLD = { text: story, threads: 2, quantized: true }

/** Where the program is bundled, and where its output goes. */
interface Places {
  home: string
  out: string
}

let count = 0

/** Bundles the program in a copy of its home, removes that, and runs what came out. */
async function bundled(
  bundle: (places: Places) => unknown,
  program: string,
  runtime = [process.execPath],
): Promise<void> {
  const folder = join(installed.folder, `program-${count++}`)
  const [home, out] = [join(folder, 'home'), join(folder, 'out')]
  cpSync(installed.home, home, { recursive: true })
  writeFileSync(join(home, 'app.js'), PROGRAM)
  await bundle({ home, out })
  rmSync(home, { recursive: true })
  tells([...runtime, join(out, program)])
}

function tells([file, ...args]: string[]): void {
  const { stdout, stderr } = run(file!, [...args, resolve(STORIES)], installed.folder)
  assert.equal(JSON.parse(stdout), TOLD)
  assert.is(stderr, '')
}

/** What is called of packages that are there with tests/runtimes only. */
interface Nft {
  nodeFileTrace(files: string[], options: object): Promise<{ fileList: Set<string>; warnings: Set<Error> }>
}
interface Rollup {
  rollup(options: object): Promise<{ write(options: object): Promise<unknown> }>
}
interface NodeResolve {
  nodeResolve(options: object): object
}
interface Rolldown {
  build(options: object): Promise<unknown>
}

async function imported<T>(path: string): Promise<T> {
  return (await import(pathToFileURL(tool(path)).href)) as T
}

toolTest('@vercel/nft finds the workers and the wasm', '@vercel/nft/out/index.js', async () => {
  const { nodeFileTrace } = await imported<Nft>('@vercel/nft/out/index.js')
  const base = installed.home
  writeFileSync(join(base, 'app.js'), PROGRAM)
  const { fileList, warnings } = await nodeFileTrace([join(base, 'app.js')], { base })
  assert.equal([...warnings], [])
  const carried = join(installed.folder, 'traced')
  for (const path of fileList) {
    // The packed workers are for bundles: here their place is taken by the files.
    if (/chunks\/(inlined|platform-unpacked)\.js$/.test(path)) continue
    mkdirSync(dirname(join(carried, path)), { recursive: true })
    cpSync(join(base, path), join(carried, path))
  }
  for (const path of fileList) assert.not.match(path, /dist\/(cli|server|web)/)
  tells([process.execPath, join(carried, 'app.js')])
})

for (const [format, program] of [
  ['esm', 'app.mjs'],
  ['cjs', 'app.cjs'],
  ['iife', 'app.cjs'],
] as const) {
  test(`esbuild: one file, ${format}`, () =>
    bundled(async ({ home, out }) => {
      const { warnings } = await build({
        absWorkingDir: home,
        entryPoints: ['app.js'],
        bundle: true,
        minify: true,
        platform: 'node',
        format,
        outfile: join(out, program),
        logLevel: 'error',
      })
      assert.equal(warnings, [])
      assert.equal(readdirSync(out), [program])
    }, program))
}

for (const [format, program] of [
  ['es', 'app.mjs'],
  ['cjs', 'app.cjs'],
] as const) {
  const chunks = { format, entryFileNames: program, chunkFileNames: `[name]-[hash].${program.slice(4)}` } as const

  toolTest(`Rollup: ${format}`, 'rollup/dist/es/rollup.js', () =>
    bundled(async ({ home, out }) => {
      const { rollup } = await imported<Rollup>('rollup/dist/es/rollup.js')
      const { nodeResolve } = await imported<NodeResolve>('@rollup/plugin-node-resolve/dist/es/index.js')
      const input = join(home, 'app.js')
      const plugins = [nodeResolve({ exportConditions: ['node'] })]
      const bundle = await rollup({ input, plugins, external: /^node:/, onwarn: fail })
      await bundle.write({ dir: out, ...chunks })
    }, program),
  )

  toolTest(`Rolldown: ${format}`, 'rolldown/dist/index.mjs', () =>
    bundled(async ({ home, out }) => {
      const { build: rolldown } = await imported<Rolldown>('rolldown/dist/index.mjs')
      const output = { dir: out, ...chunks, format: format === 'es' ? 'esm' : 'cjs' }
      await rolldown({ input: join(home, 'app.js'), platform: 'node', output, onwarn: fail })
    }, program),
  )
}

function fail(warning: { message: string }): void {
  throw new Error(warning.message)
}

for (const [name, path] of [
  ['webpack', 'webpack/lib/index.js'],
  ['Rspack', '@rspack/core/dist/index.js'],
] as const) {
  for (const module of [true, false]) {
    const program = module ? 'app.mjs' : 'app.cjs'
    toolTest(`${name}: ${module ? 'esm' : 'cjs'}`, path, () =>
      bundled(({ home, out }) => {
        const output = { path: out, filename: program, chunkFilename: `[id].${program.slice(4)}` }
        const options = {
          mode: 'production',
          target: 'node',
          context: home,
          entry: './app.js',
          output: module ? { ...output, module, library: { type: 'module' } } : output,
          experiments: { outputModule: module },
          optimization: { minimize: false },
        }
        webpack(path, options, home)
      }, program),
    )
  }
}

const BUN = 'bun/bin/bun'
toolTest('Bun: a file for Bun, one for Node, and a program by itself', BUN, async () => {
  const bun =
    (args: string[]) =>
    ({ home, out }: Places) =>
      run(tool(BUN), ['build', ...args, '--outdir', out, 'app.js'], home)
  await bundled(bun(['--target=bun']), 'app.js', [tool(BUN)])
  await bundled(bun(['--target=node', '--format=cjs', '--entry-naming=[name].cjs']), 'app.cjs')
  const compile = ({ home, out }: Places) =>
    run(tool(BUN), ['build', '--compile', '--outfile', join(out, 'app'), 'app.js'], home)
  await bundled(compile, 'app', [])
})

toolTest('Deno: a bundle of esbuild’s, which may read the model alone', 'deno/deno', async () => {
  const bundle = ({ home, out }: Places) =>
    build({
      absWorkingDir: home,
      entryPoints: ['app.js'],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: join(out, 'app.js'),
    })
  await bundled(bundle, 'app.js', [tool('deno/deno'), 'run', `--allow-read=${resolve(STORIES)}`])
})

test('a bundle with workerUrl takes the workers from there', async () => {
  const out = join(installed.folder, 'with-url')
  const contents = `import { load } from 'cria'
    async function main([path, workerUrl]) {
      const model = await load(path, { threads: 2, workerUrl })
      console.log((await model.generate('${PROMPT}', ${JSON.stringify(GREEDY)}).result()).text)
      await model.close()
    }
    main(process.argv.slice(2)).catch(({ code, message }) => console.log(code, message))`
  await build({
    stdin: { contents, resolveDir: installed.home },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: join(out, 'app.cjs'),
    logLevel: 'error',
  })
  const told = (url: string): string => run(process.execPath, [join(out, 'app.cjs'), resolve(STORIES), url], out).stdout
  assert.is(told(join(installed.home, 'node_modules/cria/dist')), `${story}\n`)
  assert.match(told('nowhere'), /^WORKER_DIED .*nowhere\/leader\.js could not be loaded: .* workerUrl/)
})

test.run()
