/** Thread 0: the leader's calls, exposed to the caller's thread. */
import { expose } from 'comlink'
import * as platform from '#platform'
import { LeaderModel } from './leader-model.ts'
import { carryErrors, type LeaderCalls, type PoolMessage, pack } from './protocol.ts'

class WorkerLeader extends LeaderModel {
  override async open(...args: Parameters<LeaderCalls['open']>): ReturnType<LeaderCalls['open']> {
    const { opened, segments } = await super.open(...args)
    return { opened: { ...opened, metadata: pack(opened.metadata) }, segments }
  }
}

export function start(): void {
  carryErrors()
  const port = platform.parent()
  const emit = (message: PoolMessage): void => port.postMessage(message)
  expose(new WorkerLeader((events) => emit({ cria: 'events', events })), port.endpoint)
}
