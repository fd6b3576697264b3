/** TypeScript projects that use the package: each way of resolving modules, the examples, and mistakes that are noticed. */
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { installPackage, run } from '../package-home.ts'

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

test.run()
