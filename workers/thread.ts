/** Threads 1…n−1: told once what to hold, then parked in wasm until the leader has work. */
import * as platform from '#platform'
import { report, serve } from '../js/engine/thread.ts'
import { openSegment, type SegmentHandle } from '../js/engine/wasm.ts'
import { compileBuild, type Isa } from '../js/engine/wasm-build.ts'

export interface ThreadStart {
  /** The build, by name or itself. */
  wasm: Isa | WebAssembly.Module
  segments: SegmentHandle[]
  thread: number
  threads: number
}

export function start(): void {
  platform.parent().onMessage(async (message) => {
    const { wasm, segments, thread, threads } = message as ThreadStart
    const module = typeof wasm === 'string' ? await compileBuild(await platform.wasm(wasm), true) : wasm
    const opened = segments.map((segment) => openSegment(module, segment))
    report(opened[0]!, module)
    serve(opened, thread, threads)
  })
}
