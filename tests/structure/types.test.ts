/** TypeScript projects that use the package: each way of resolving modules, the examples, and mistakes that are noticed. */
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { installPackage, run, tool, toolTest } from '../package-home.ts'

const { home } = installPackage()

const USE = `import { AbortError, type GenerateResult, load, type LoadOptions, type Model } from 'cria'
import { loadTokenizer } from 'cria/tokenizer'
import { readGguf } from 'cria/gguf'
import wasm from 'cria/relaxed.wasm'
import * as edge from 'cria/edge'
import * as inline from 'cria/inline'
const options: LoadOptions = { threads: 1, kv: 'f16', wasm }
export async function tell(): Promise<GenerateResult> {
  const model: Model = await load('x.gguf', options)
  for await (const text of model.generate('Once', { maxTokens: 3 })) text.toUpperCase()
  const chat = model.createChat({ system: 'x' })
  return chat.send('y').result()
}
export const names: string[] = [edge.capabilities().why, inline.capabilities().runtime.name]
export const ids = async (): Promise<number[]> => (await loadTokenizer('x.gguf')).tokenize('x')
export const version = async (): Promise<number> => (await readGguf('x.gguf')).version
// @ts-expect-error: threads are a number
export const wrong: LoadOptions = { threads: 'many' }
export const error: Error = new AbortError('x')
`

/** `module` and `moduleResolution` of projects. */
const WAYS = [
  ['esnext', 'bundler'],
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
] as const

function compile(module: string, moduleResolution: string, files: readonly string[], more: object = {}): void {
  const config = {
    compilerOptions: {
      module,
      moduleResolution,
      target: 'es2022',
      lib: ['es2023', 'dom', 'dom.iterable', 'esnext.disposable'],
      strict: true,
      noEmit: true,
      allowJs: true,
      types: ['node'],
      typeRoots: [resolve('node_modules/@types')],
      ...more,
    },
    files,
  }
  const path = join(home, `tsconfig.${moduleResolution}.json`)
  writeFileSync(path, JSON.stringify(config))
  run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', path])
}

for (const [module, moduleResolution] of WAYS) {
  test(`a strict project with moduleResolution ${moduleResolution} finds the types`, () => {
    writeFileSync(join(home, 'use.ts'), USE)
    compile(module, moduleResolution, ['use.ts'])
    writeFileSync(join(home, 'broken.ts'), `import { load } from 'cria'\nexport const wrong: number = load\n`)
    assert.throws(() => compile(module, moduleResolution, ['broken.ts']), /broken\.ts/)
  })

  test(`a page’s project without Node’s types and with no newer library finds them with ${moduleResolution}`, () => {
    writeFileSync(join(home, 'page.ts'), USE)
    compile(module, moduleResolution, ['page.ts'], {
      types: [],
      lib: ['es2022', 'dom'],
      exactOptionalPropertyTypes: true,
    })
  })

  test(`the examples compile with moduleResolution ${moduleResolution}`, () => {
    mkdirSync(join(home, 'examples'), { recursive: true })
    cpSync('examples', join(home, 'examples'), { recursive: true, filter: (path) => !path.includes('node_modules') })
    const files = readdirSync(join(home, 'examples'), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.m?ts$/.test(path) || path.startsWith('node/'))
      .map((path) => `examples/${path}`)
    assert.ok(files.length >= 5, files.join(' '))
    compile(module, moduleResolution, files)
  })
}

/** Programs that use the package, each with the `lib`, and Node's types or not, that it is written for. */
const LANGUAGE = `import { CriaError, type GenerateResult, load, type LoadOptions, type Model } from 'cria'
import type { Tokenizer } from 'cria/tokenizer'
import { readGguf } from 'cria/gguf'
import { capabilities } from 'cria/edge'
import * as inline from 'cria/inline'
import * as conformance from 'cria/conformance'
import * as server from 'cria/server'
import { createCria, type CriaProviderOptions } from 'cria/ai'
import { createPromptApi, type PromptSession } from 'cria/prompt-api'
import wasm from 'cria/simd.wasm'
const options: LoadOptions = { threads: 1, kv: 'f16', wasm, onWarning: ({ code }) => code.length }
export async function tell(): Promise<GenerateResult> {
  const model: Model = await load(new Uint8Array(1), options)
  for await (const text of model.generate('Once', { maxTokens: 3 })) text.toUpperCase()
  const state: Uint8Array = await model.saveState('x')
  if (state.length === 0) throw new CriaError('EMPTY', 'no state', 0, { cause: state })
  return model.createChat({ system: 'x' }).send('y').result()
}
export const why: string = capabilities().why + inline.capabilities().why + String([conformance, server])
export const ours: CriaProviderOptions = { minP: 0.1 }
export const session = (model: Model): Promise<PromptSession> => createPromptApi(model).create({ samplingMode: 'creative' })
export const asked = (model: Model): PromiseLike<{ content: object[] }> => createCria(model)().doGenerate({ prompt: [] })
export const version = async (tokenizer: Tokenizer): Promise<number> => (await readGguf('x')).version + tokenizer.tokenize('x').length
`
const SIGNAL = `
const { signal } = new AbortController()
export const told = async (model: Model): Promise<GenerateResult> => model.generate('x', { signal }).result()
// @ts-expect-error: a signal is no text
export const silent = async (model: Model): Promise<GenerateResult> => model.generate('x', { signal: 'now' }).result()
export const blob = (): Promise<Model> => load(new Blob(['x']), { fetch: (input, init) => fetch(input, init), signal })
export const url = (): Promise<Model> => load(new URL('x:y'), { headers: new Headers({ a: 'b' }), workerUrl: new URL('x:y') })
export const answer = (model: Model): Promise<Response> => server.createHandler(model)(new Request('x:y'))
`
const MODULE = `
export const compiled = (bytes: ArrayBuffer): Promise<Model> => load('x', { wasm: new WebAssembly.Module(bytes) })
`
const PROGRAMS: Record<string, { lib: string[]; types?: string[]; code: string }> = {
  'ES2020 alone': { lib: ['es2020'], code: LANGUAGE },
  'ES2022 and a page': { lib: ['es2022', 'dom'], code: LANGUAGE + SIGNAL + MODULE },
  'ES2022 and a worker': { lib: ['es2022', 'webworker'], code: LANGUAGE + SIGNAL + MODULE },
  'Node’s types alone': { lib: ['es2022'], types: ['node'], code: LANGUAGE + SIGNAL },
  'Node’s types and a page': {
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: ['node'],
    code: LANGUAGE + SIGNAL + MODULE,
  },
  resources: {
    lib: ['es2022', 'esnext.disposable'],
    code: `${LANGUAGE}export const end = async (model: Model): Promise<void> => model[Symbol.asyncDispose]()\n`,
  },
}
/** From CommonJS, which imports an ES module by `import()`. */
const COMMON = `export async function tell(): Promise<string> {
  const { load } = await import('cria')
  const { readGguf } = await import('cria/gguf')
  const model = await load('x', { threads: (await readGguf('x')).version })
  return (await model.generate('Once').result()).text
}
`

/** Of each compiler: where it is, and the ways in which it finds modules. Node's types need TypeScript 5.2. */
const COMPILERS = [
  ['5.0', tool('typescript50/lib/tsc.js'), ['node10', 'node16', 'nodenext', 'bundler']],
  ['5.9', tool('typescript59/lib/tsc.js'), ['node10', 'node16', 'nodenext', 'bundler']],
  ['7', resolve('node_modules/typescript/bin/tsc'), ['node16', 'nodenext', 'bundler']],
] as const

for (const [version, compiler, resolutions] of COMPILERS) {
  for (const resolution of resolutions) {
    toolTest(`TypeScript ${version}, ${resolution}: any lib, declarations checked`, 'typescript50/lib/tsc.js', () => {
      const folder = join(home, `${version}-${resolution}`)
      for (const [name, { lib, types = [], code }] of Object.entries(PROGRAMS)) {
        // Symbol.asyncDispose and Node's types came with 5.2.
        if (version === '5.0' && (types.length > 0 || name === 'resources')) continue
        check(folder, compiler, resolution, { 'program.ts': code }, lib, types)
      }
      if (/node(16|next)/.test(resolution))
        check(folder, compiler, resolution, { 'common.cts': COMMON }, ['es2022'], [])
    })
  }
}

function check(
  folder: string,
  compiler: string,
  resolution: string,
  sources: Record<string, string>,
  lib: readonly string[],
  types: readonly string[],
): void {
  const module = resolution.startsWith('node') && resolution !== 'node10' ? resolution : 'esnext'
  const typeRoots = [resolve('node_modules/@types')]
  const compilerOptions = {
    module,
    moduleResolution: resolution,
    lib,
    types,
    typeRoots,
    target: 'es2022',
    noEmit: true,
  }
  const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false }
  mkdirSync(folder, { recursive: true })
  for (const [path, text] of Object.entries(sources)) writeFileSync(join(folder, path), text)
  const config = { compilerOptions: { ...compilerOptions, ...strict }, files: Object.keys(sources) }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  run(process.execPath, [compiler, '-p', folder])
}

test.run()
