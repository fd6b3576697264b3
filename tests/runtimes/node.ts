/** Node, Deno and Bun: each case in a process of its own. */
import { existsSync } from 'node:fs'
import { CASE_TIMEOUT, type Driver } from './driver.ts'
import { run } from './process.ts'

const FOLDER = 'tests/runtimes/node_modules'
const QEMU = '/usr/bin/qemu-aarch64'
const ARM_LIBRARIES = '/usr/aarch64-linux-gnu'
const ARM_NODE = 'tests/runtimes/arm64/node_modules/node24/bin/node'

interface Engine {
  name: string
  /** The program and what it needs before its own flags. */
  path: string
  before?: readonly string[]
  /** Flags that come before the script. */
  flags?: readonly string[]
  env?: Record<string, string>
  /** What must be there, each with what installs it; default: {@link path}, by npm. */
  needs?: Record<string, string>
  brief?: boolean
  emulated?: boolean
}

function driver({
  name,
  path,
  before = [],
  flags = [],
  env = {},
  needs,
  brief = false,
  emulated = false,
}: Engine): Driver {
  return {
    name,
    files: true,
    brief,
    emulated,
    missing() {
      for (const [file, how] of Object.entries(needs ?? { [path]: 'npm ci --prefix tests/runtimes' })) {
        if (!existsSync(file)) return `${file} is absent: ${how}`
      }
      return undefined
    },
    async start({ args = [], timeout = CASE_TIMEOUT }) {
      const version = await run(path, { args: [...before, '--version'], env, timeout })
      return {
        version: /\d+(\.\d+)+/.exec(version)![0],
        run: async (name, argument) => {
          const input = JSON.stringify(argument)
          const script = ['tests/conformance/run.mjs', name]
          return JSON.parse(await run(path, { args: [...before, ...flags, ...args, ...script], env, input, timeout }))
        },
        close: async () => {},
      }
    },
  }
}

/** A driver for the Node at a path. */
export function nodeDriver(path: string, name = 'Node', flags: readonly string[] = []): Driver {
  return driver({ name, path, flags, brief: flags.length > 0 })
}

const node = (version: number, flags?: readonly string[], what = ''): Driver =>
  nodeDriver(`${FOLDER}/node${version}/bin/node`, `Node ${version}${what}`, flags)

/** The Node that runs the tests, and the others. */
export const nodes: readonly Driver[] = [nodeDriver(process.execPath), node(22), node(24), node(26)]

export const deno = driver({
  name: 'Deno',
  path: `${FOLDER}/deno/deno`,
  flags: [
    'run',
    '--quiet',
    '--allow-all',
    '--no-lock',
    '--no-config',
    '--cached-only',
    '--import-map=tests/conformance/imports.json',
  ],
  env: { DENO_NO_UPDATE_CHECK: '1' },
})

export const bun = driver({ name: 'Bun', path: `${FOLDER}/bun/bin/bun`, flags: ['--no-install'] })

/** Node 24 without what newer CPUs have. */
export const cpus: readonly Driver[] = [
  node(24, ['--no-enable-avx-vnni'], ' without AVX-VNNI'),
  node(24, ['--no-enable-avx-vnni', '--no-enable-avx2'], ' without AVX2'),
  node(24, ['--no-enable-avx-vnni', '--no-enable-avx2', '--no-enable-fma3', '--no-enable-avx'], ' without AVX'),
]

/** Node 24 for another architecture, emulated. */
export const arm64 = driver({
  name: 'Node 24 for arm64 (qemu)',
  path: QEMU,
  before: ['-L', ARM_LIBRARIES, ARM_NODE],
  needs: {
    [QEMU]: 'apt-get install qemu-user',
    [ARM_LIBRARIES]: 'apt-get install libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross',
    [ARM_NODE]: 'npm ci --prefix tests/runtimes/arm64',
  },
  brief: true,
  emulated: true,
})
