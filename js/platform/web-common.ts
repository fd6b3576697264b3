/** What browsers and other places with web workers have, wherever the code lies. Threads need cross-origin isolation. */
import type { ParentPort, RuntimeName } from './types.ts'
import { webRuntime } from './web-runtime.ts'

export { locate, openFile } from './files-web.ts'

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
  const ready = holdLock().then((lock) => scope.postMessage({ cria: 'up', lock }))
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
