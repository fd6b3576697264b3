/** Thread 0: the leader, exposed to the façade. */
import { expose } from 'comlink'
import * as platform from '#platform'
import { Leader } from '../js/engine/leader.ts'
import { carryErrors } from '../js/rpc.ts'

export function start(): void {
  carryErrors()
  const port = platform.parent()
  expose(new Leader((events) => port.postMessage({ events })), port.endpoint)
}
