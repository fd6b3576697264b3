/** The page's side of workers: starting them wherever a page's origin and policy let them, and hearing of their end. */
import { UnsupportedError } from '../errors.ts'
import { watchPolicy } from '../util/policy.ts'
import { inPackage } from './prebundled.ts'
import type { WorkerHandle } from './types.ts'

interface TrustedTypePolicy {
  createScriptURL(url: string): string
}

/** Undefined where there are no Trusted Types, or where the page does not let this policy be made. */
let policy: TrustedTypePolicy | undefined

/** The address of a script as `new Worker` takes it on pages that require Trusted Types. */
function trusted(url: string | URL): string | URL {
  const types = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): TrustedTypePolicy } })
    .trustedTypes
  try {
    policy ??= types?.createPolicy('cria', { createScriptURL: (url: string) => url })
  } catch {
    // `new Worker` fails then, where they are required.
  }
  return policy?.createScriptURL(String(url)) ?? url
}

const WAY_OUT =
  "serve the package's dist/ with the page and pass the URL of dist/web/ as workerUrl, or import cria/inline"

/** Where the package lies above a project's folder, in a workspace for one. */
const CACHED = "set optimizeDeps: { exclude: ['cria'] } in Vite's configuration"

/**
 * Starts a worker as its pool sees it; see Platform.spawn. Bundlers know `new Worker(new URL(…))` alone: what else is due
 * to its address is done by a constructor that takes the place of the page's meanwhile.
 */
export function spawnBy(start: () => Worker, onDeath: (reason: unknown) => void): Promise<WorkerHandle> {
  const forbidden = watchPolicy(/^(worker-src|child-src|script-src|require-trusted|trusted)/)
  const { Worker } = globalThis
  let script: string | URL = ''
  let moved = false
  globalThis.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      const address = inPackage(url)
      super(trusted(address), options)
      script = address
      moved = address !== url
    }
  }
  let worker: Worker
  try {
    worker = start()
  } catch (cause) {
    return forbidden().then((directive) => {
      throw noWorkers(String(cause), directive, cause)
    })
  } finally {
    globalThis.Worker = Worker
  }
  let wanted = false
  let up = false
  const die = (reason: string): void => {
    if (!wanted) onDeath(new Error(reason))
  }
  return new Promise((resolve, reject) => {
    worker.addEventListener('error', async ({ message }) => {
      if (up || message) return die(message || 'it failed')
      // A script that cannot be loaded has no message.
      const directive = await forbidden()
      if (directive) reject(noWorkers('', directive))
      else die(`its script could not be loaded (${await whatIs(script)}): ${moved ? CACHED : WAY_OUT}`)
    })
    worker.addEventListener('messageerror', () => die('a message of its could not be read'))
    worker.addEventListener('message', ({ data }) => {
      if (data?.cria !== 'up') return
      up = true
      if (data.lock) whenFree(data.lock, () => die('it ended without a word'))
      resolve({
        endpoint: worker,
        postMessage: (message) => worker.postMessage(message),
        onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
        hold: () => {},
        terminate: async () => {
          wanted = true
          worker.terminate()
        },
      })
    })
  })
}

/** Why the browser starts no worker. Trusted Types are the page's to mend, as it has asked for them. */
function noWorkers(reason: string, directive: string | undefined, cause?: unknown): UnsupportedError {
  const types = directive?.includes('trusted')
  const add = types ? 'trusted-types cria' : "worker-src 'self' blob:"
  const why = directive ? `the Content-Security-Policy forbids it (${directive}); add ${add}` : reason
  const code = types ? 'TRUSTED_TYPES' : 'NO_WORKERS'
  return new UnsupportedError(code, `No worker can start here: ${why}.`, directive, { cause })
}

/** Of a script that a worker could not load, what its server gives. */
async function whatIs(script: string | URL): Promise<string> {
  try {
    const { ok, status, headers } = await fetch(script)
    const policy = 'cross-origin-embedder-policy'
    if (ok && crossOriginIsolated && !headers.has(policy)) return `it lacks the page's ${policy}`
    return ok ? `it is ${headers.get('content-type')}` : `HTTP status ${status}`
  } catch (cause) {
    return String(cause)
  }
}

/**
 * Starts the script at `url`. One of another origin is imported by a script of the page's own, as it must be; a classic one,
 * since Chromium starts no other where the origin is opaque (sandboxed frames, pages from files).
 */
export function start(url: URL, name: string): Worker {
  return isOwn(url) ? new Worker(url, { type: 'module', name }) : new Worker(importerOf(url.href), { name })
}

/** Compared by parts: the origin of an extension's page is opaque in some browsers. */
export function isOwn({ protocol, host }: URL): boolean {
  return origin !== 'null' && protocol === globalThis.location?.protocol && host === globalThis.location.host
}

/** A URL, or a path relative to the page. */
export function folderUrl(folder: string | URL): URL {
  return new URL(String(folder).replace(/\/?$/, '/'), globalThis.location?.href)
}

/** Made once for each script, and small: never revoked. */
const IMPORTERS = new Map<string, string>()

function importerOf(url: string): string {
  const made = IMPORTERS.get(url)
  if (made !== undefined) return made
  const code = `import(${JSON.stringify(url)}).catch((error) => setTimeout(() => { throw error }))`
  const blob = new Blob([code], { type: 'text/javascript' })
  const importer = URL.createObjectURL(blob)
  IMPORTERS.set(url, importer)
  return importer
}

/**
 * Browsers report no worker that ends by itself or is ended from outside. But its locks are free then, even if it waited in
 * wasm. Only secure contexts have locks.
 */
function whenFree(lock: string, then: () => void): void {
  navigator.locks.request(lock, then).catch(() => {})
}
