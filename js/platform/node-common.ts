/** What Node, Deno and Bun have, wherever the code lies. */
import { availableParallelism } from 'node:os'
import { parentPort } from 'node:worker_threads'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import type { ParentPort, RuntimeName } from './types.ts'

export { locate, openFile } from './files-node.ts'

export function runtime(): RuntimeName {
  const { bun, deno, node } = process.versions
  if (bun !== undefined) return { name: 'Bun', version: bun }
  return deno === undefined ? { name: 'Node', version: node } : { name: 'Deno', version: deno }
}

export function cores(): number {
  return availableParallelism()
}

export function canShare(): boolean {
  return typeof SharedArrayBuffer === 'function'
}

export function canSpawn(): boolean {
  return true
}

export function parent(): ParentPort {
  const port = parentPort
  if (!port) throw new Error('This module runs in a worker.')
  return {
    endpoint: nodeEndpoint(port),
    postMessage: (message) => port.postMessage(message),
    onMessage: (listener) => {
      port.on('message', listener)
    },
  }
}

export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
