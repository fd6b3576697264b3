/** Threads 1…n−1: started by one message, then parked in wasm until the leader has work. */
import * as platform from '#platform'
import { report, serve } from '../js/engine/thread.ts'
import { openSegment } from '../js/engine/wasm.ts'
import { compileBuild } from '../js/engine/wasm-build.ts'
import type { ThreadStart } from './protocol.ts'

export function start(): void {
  platform.parent().onMessage(async (message) => {
    // Anything else has no segments: the worker fails, and the pool hears of it.
    const { wasm, segments, thread, threads } = message as ThreadStart
    const module = typeof wasm === 'string' ? await compileBuild(await platform.wasm(wasm), true) : wasm
    const opened = segments.map((segment) => openSegment(module, segment))
    report(opened[0]!, module)
    serve(opened, thread, threads)
  })
}
