/** Browsers, and other places with web workers and fetch. Threads need cross-origin isolation. */
import type { ParentPort, WorkerHandle, WorkerKind } from './types.ts'

export { openFile } from './files-web.ts'

const BASE = new URL('./', import.meta.url)

export function cores(): number {
  return globalThis.navigator?.hardwareConcurrency ?? 1
}

export function canShare(): boolean {
  return typeof SharedArrayBuffer === 'function' && globalThis.crossOriginIsolated === true
}

export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(new URL(`${name}.wasm`, BASE))
  if (!response.ok) throw new Error(`${name}.wasm: HTTP status ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

export function spawn(kind: WorkerKind, onDeath: (reason: unknown) => void): WorkerHandle {
  const worker = new Worker(new URL(`${kind}.js`, BASE), { type: 'module', name: `cria ${kind}` })
  worker.addEventListener('error', (event) => onDeath(event.error ?? new Error(event.message)))
  return {
    endpoint: worker,
    postMessage: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
    hold: () => {},
    terminate: async () => worker.terminate(),
  }
}

interface WorkerScope {
  postMessage(message: unknown): void
  addEventListener: Worker['addEventListener']
  removeEventListener: Worker['removeEventListener']
}

export function parent(): ParentPort {
  const scope = globalThis as unknown as WorkerScope
  return {
    endpoint: scope,
    postMessage: (message) => scope.postMessage(message),
    onMessage: (listener) => scope.addEventListener('message', (event) => listener((event as MessageEvent).data)),
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
