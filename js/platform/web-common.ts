/** What browsers and other places with web workers have, wherever the code lies. Threads need cross-origin isolation. */
import type { ParentPort, RuntimeName, WorkerHandle } from './types.ts'
import { webRuntime } from './web-runtime.ts'

export { openFile } from './files-web.ts'

export function runtime(): RuntimeName {
  return webRuntime()
}

export function cores(): number {
  return globalThis.navigator?.hardwareConcurrency || 1
}

export function canShare(): boolean {
  return typeof SharedArrayBuffer === 'function' && globalThis.crossOriginIsolated === true
}

/** Service workers have none. */
export function canSpawn(): boolean {
  return typeof Worker === 'function'
}

const NO_SCRIPT =
  "its script could not be loaded: serve the package's dist/ with the page and pass the URL of dist/web/ as workerUrl, or import cria/inline"

/** A worker as its pool sees it; see Platform.spawn. */
export function handleOf(worker: Worker, onDeath: (reason: unknown) => void): WorkerHandle {
  let wanted = false
  const die = (reason: string): void => {
    if (!wanted) onDeath(new Error(reason))
  }
  // A script that cannot be loaded has no message.
  worker.addEventListener('error', ({ message }) => die(message || NO_SCRIPT))
  worker.addEventListener('messageerror', () => die('a message of its could not be read'))
  worker.addEventListener('message', ({ data }) => {
    if (typeof data?.lock === 'string') whenFree(data.lock, () => die('it ended without a word'))
  })
  return {
    endpoint: worker,
    postMessage: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
    hold: () => {},
    terminate: async () => {
      wanted = true
      worker.terminate()
    },
  }
}

/** Starts the script at `url`: one of another origin is imported by a script that is of the page's own, as it must be. */
export function start(url: URL, name: string): Worker {
  return new Worker(isOwn(url) ? url : importerOf(url.href), { type: 'module', name })
}

/** Compared by parts: the origin of an extension's page is opaque in some browsers. */
export function isOwn({ protocol, host }: URL): boolean {
  return protocol === globalThis.location?.protocol && host === globalThis.location.host
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
  const blob = new Blob([`import ${JSON.stringify(url)}`], { type: 'text/javascript' })
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

/** In a worker: holds a lock as long as the worker lives. Resolves to its name, if there can be one. */
function holdLock(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { locks } = navigator
    if (!locks) return resolve(undefined)
    const name = `cria ${crypto.randomUUID()}`
    const hold = (): Promise<void> => {
      resolve(name)
      return new Promise(() => {})
    }
    // Refused where storage is, in a sandboxed frame for one.
    locks.request(name, hold).catch(() => resolve(undefined))
  })
}

interface WorkerScope {
  postMessage(message: unknown): void
  addEventListener: Worker['addEventListener']
  removeEventListener: Worker['removeEventListener']
}

export function parent(): ParentPort {
  const scope = globalThis as unknown as WorkerScope
  // Only errors that nobody caught are heard of outside.
  globalThis.addEventListener('unhandledrejection', (event) => reportError(event.reason))
  scope.addEventListener('messageerror', () => reportError(new Error('a message to it could not be read')))
  // No message is read before: a thread that waits in wasm hears of nothing any more.
  const ready = holdLock().then((lock) => {
    if (lock !== undefined) scope.postMessage({ lock })
  })
  return {
    endpoint: scope,
    postMessage: (message) => scope.postMessage(message),
    onMessage: (listener) =>
      scope.addEventListener('message', ({ data }) => {
        void ready.then(() => listener(data))
      }),
  }
}

/** A message to oneself: timers would be held back to 4 ms. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}
