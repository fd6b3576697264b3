/** The package as npm would publish it, installed in a folder with nothing else. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'

const TIMEOUT = 180_000

/** Runs a program; its stdout and stderr. Throws where its code is not 0. */
export function run(file: string, args: readonly string[], cwd = '.'): { stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, encoding: 'utf8', timeout: TIMEOUT })
  if (status === 0) return { stdout, stderr }
  throw new Error(`${file} ${args.join(' ')}: ${error?.message ?? `code ${status}`}\n${stdout}\n${stderr}`)
}

export interface Packed {
  filename: string
  size: number
  unpackedSize: number
  files: { path: string; size: number }[]
}

export interface Home {
  /** The folder that holds node_modules/cria, and its parent. */
  home: string
  folder: string
  tarball: string
  packed: Packed
}

/** Packs and installs what dist/ holds; the folder is removed when this process ends. */
export function installPackage(): Home {
  const folder = mkdtempSync(join(tmpdir(), 'cria-pack-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const home = join(folder, 'home')
  mkdirSync(home)
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const [packed] = JSON.parse(run('npm', pack).stdout) as [Packed]
  const tarball = join(folder, packed.filename)
  writeFileSync(join(home, 'package.json'), '{ "name": "home", "private": true, "type": "module" }')
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], home)
  return { home, folder, tarball, packed }
}

/** A copy of examples/NAME in the folder `home`, with a node_modules of its own that holds cria. */
export function copyExample({ home }: Home, name: string): string {
  const folder = join(home, name)
  cpSync(join('examples', name), folder, {
    recursive: true,
    filter: (path) => !/(^|\/)(node_modules|build|dist)$/.test(path),
  })
  cpSync(join(home, 'node_modules'), join(folder, 'node_modules'), { recursive: true })
  return folder
}

/** A program of tests/runtimes/node_modules. */
export function tool(path: string): string {
  return join(process.cwd(), 'tests/runtimes/node_modules', path)
}

/** Bundles by webpack or Rspack, whose module `path` is; a warning is an error. */
export function webpack(path: string, options: object, folder: string): void {
  const code = `import * as tool from ${JSON.stringify(tool(path))}
    const bundle = tool.rspack ?? tool.default
    bundle(${JSON.stringify(options)}, (error, stats) => {
      if (!error && !stats.hasErrors() && !stats.hasWarnings()) return
      console.error(error ?? stats.toString())
      process.exitCode = 1
    })`
  run(process.execPath, ['--input-type=module', '-e', code], folder)
}

/** A test that needs a program of tests/runtimes: skipped where it is absent, failed there under CI. */
export function toolTest(name: string, path: string, body: () => void | Promise<void>): void {
  const missing = existsSync(tool(path)) ? undefined : `${path} is absent: npm ci --prefix tests/runtimes`
  if (missing === undefined) test(name, body)
  else if (process.env.CI) {
    test(name, () => {
      throw new Error(missing)
    })
  } else test.skip(`${name}: ${missing}`)
}
