/** workerd, Cloudflare's runtime: the cases run in a worker that is asked over HTTP. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { STORIES } from '../api-helpers.ts'
import { CASE_TIMEOUT, type Driver, type Session, withinTime } from './driver.ts'
import { residentBytes, run, type Started, start } from './process.ts'

const PATH = 'tests/runtimes/node_modules/workerd/bin/workerd'
const FOLDER = 'build/conformance'
const BUILDS = ['simd', 'relaxed']
/** What workerd says first: its port. */
export const LISTENS = /"event":"listen".*?"port":(\d+)/

export const workerd: Driver = {
  name: 'workerd',
  missing() {
    return existsSync(PATH) ? undefined : `${PATH} is absent: npm ci --prefix tests/runtimes`
  },
  async start({ args = [], timeout = CASE_TIMEOUT }) {
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(`${FOLDER}/workerd.capnp`, config())
    const version = (await run(PATH, { args: ['--version'], timeout })).replace(/^\D+/, '').trim()
    const worker = start(PATH, ['serve', `${FOLDER}/workerd.capnp`, '--control-fd=1', ...args])
    const [, port] = await worker.said(LISTENS)
    const session: Session = {
      run: <T>(name: string, argument: unknown) =>
        withinTime(timeout, ask<T>(`http://127.0.0.1:${port}/${name}`, argument), name),
      close: async () => {},
    }
    return {
      version,
      run: session.run,
      open: async () => session,
      memory: () => residentBytes(worker.pid),
      close: () => worker.end(),
    }
  },
}

/**
 * Starts a worker: `worker.js` of a folder two below the repository's, with the relaxed build, and stories260K as MODEL. It
 * says on which port it listens, in the form of {@link LISTENS}.
 */
export function startWorker(folder: string, flags: readonly string[] = []): Started {
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    compatibilityDate = "2026-01-01",
    compatibilityFlags = ${JSON.stringify(flags)},
    modules = [
      (name = "worker.js", esModule = embed "worker.js"),
      (name = "cria/relaxed.wasm", wasm = embed "../../dist/relaxed.wasm"),
    ],
    bindings = [(name = "MODEL", data = embed "../../${STORIES}")],
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);`
  writeFileSync(`${folder}/config.capnp`, config)
  return start(PATH, ['serve', `${folder}/config.capnp`, '--control-fd=1'])
}

async function ask<T>(url: string, argument: unknown): Promise<T> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(argument) })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as T
}

/** Modules go by the names that they are imported by; those of dist/ by their paths. */
function config(): string {
  const dist = (readdirSync('dist', { recursive: true, encoding: 'utf8' }) as string[]).filter((path) =>
    /^(edge|conformance|chunks\/.*)\.js$/.test(path),
  )
  const modules = [
    ['esModule', 'main.mjs', 'tests/conformance/workerd.mjs'],
    ['esModule', 'cases.mjs', 'tests/conformance/cases.mjs'],
    ['esModule', 'workers.mjs', 'tests/conformance/workers.mjs'],
    ['esModule', 'cria', 'tests/conformance/workerd-cria.mjs'],
    ['esModule', 'cria/conformance', 'tests/conformance/workerd-conformance.mjs'],
    ...dist.map((path) => ['esModule', `dist/${path}`, `dist/${path}`]),
    ...BUILDS.map((name) => ['wasm', `dist/${name}.wasm`, `dist/${name}.wasm`]),
  ]
  const lines = modules.map(([kind, name, path]) => `    (name = "${name}", ${kind} = embed "../../${path}"),`)
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  v8Flags = ["--expose-gc"],
  services = [
    (name = "main", worker = (
      compatibilityDate = "2026-01-01",
      modules = [
${lines.join('\n')}
      ],
      globalOutbound = "network",
    )),
    # The models' server is on this machine.
    (name = "network", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`
}
