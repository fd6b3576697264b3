/** One forward pass over all segments, as every thread runs it. */
import {
  COMMAND_EXIT,
  COMMAND_FORWARD,
  COMMAND_OUTPUT,
  CONTROL_INEXACT,
  CONTROL_READY,
  STATUS_OK,
  STATUS_POISONED,
} from '../../assembly/layout.ts'
import { chooseAlternates } from './probe.ts'
import { serveJobs } from './repack-queue.ts'
import type { Segment } from './wasm.ts'

/**
 * Runs the layers of each segment in turn; between two, thread 0 carries the hidden state over, and at the end back to
 * segment 0, where the output head is. Returns a STATUS_.
 */
export function runForward(segments: readonly Segment[], thread: number, threads: number, rows: number): number {
  for (const [i, segment] of segments.entries()) {
    const status = segment.exports.forward(segment.model, thread, threads)
    if (status !== STATUS_OK) return status
    if (segments.length === 1) return status
    const next = segments[(i + 1) % segments.length]!
    if (thread === 0) {
      new Uint8Array(next.memory.buffer, next.x, rows * next.rowBytes).set(
        new Uint8Array(segment.memory.buffer, segment.x, rows * segment.rowBytes),
      )
    }
    if (!segments[0]!.exports.barrier(segments[0]!.control, threads)) return STATUS_POISONED
  }
  return STATUS_OK
}

/** Logits of the chosen rows. Returns a STATUS_. */
export function runOutput(segments: readonly Segment[], thread: number, threads: number): number {
  return segments[0]!.exports.output(segments[0]!.model, thread, threads)
}

/** A pool thread reports that it is there, and whether the alternate kernels are exact in its worker too. */
export function report({ memory, control, alternates }: Segment, module: WebAssembly.Module): void {
  const words = new Int32Array(memory.buffer)
  const exact = chooseAlternates(module, true, alternates, false)
  if (exact.length < alternates.length) Atomics.store(words, (control + CONTROL_INEXACT) >> 2, 1)
  Atomics.add(words, (control + CONTROL_READY) >> 2, 1)
  Atomics.notify(words, (control + CONTROL_READY) >> 2)
}

/**
 * A pool thread's life: repacks until the weights are loaded; then parks until thread 0 gives a command, runs it, parks
 * again; ends on EXIT or poison.
 */
export function serve(segments: readonly Segment[], thread: number, threads: number): void {
  const { exports, control } = segments[0]!
  serveJobs(segments)
  for (let ticket = 0; ; ) {
    const command = exports.park(control, ticket)
    if (command === 0) continue
    if (command < 0 || command === COMMAND_EXIT) return
    ticket = (ticket + 1) | 0
    // Only thread 0 copies rows, so their number matters to it alone.
    if (command === COMMAND_FORWARD) runForward(segments, thread, threads, 0)
    else if (command === COMMAND_OUTPUT) runOutput(segments, thread, threads)
  }
}
