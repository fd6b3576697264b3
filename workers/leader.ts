/** Thread 0: the leader, exposed to the façade. */
import { expose } from 'comlink'
import * as platform from '#platform'
import { Leader } from './leader-model.ts'
import { carryErrors, pack } from './protocol.ts'

class WorkerLeader extends Leader {
  override async open(...args: Parameters<Leader['open']>): ReturnType<Leader['open']> {
    const { opened, segments } = await super.open(...args)
    return { opened: { ...opened, metadata: pack(opened.metadata) }, segments }
  }
}

export function start(): void {
  carryErrors()
  const port = platform.parent()
  expose(new WorkerLeader((events) => port.postMessage({ events })), port.endpoint)
}
