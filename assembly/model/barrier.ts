// Waiting in shared memory: a barrier that spins about as long as a wake-up costs and then sleeps, and the parking place
// of the pool's threads. Without threads all of it compiles to nothing.
import * as L from '../layout'

@inline
const SPINS = 20000
/** Sleepers look at the poison flag this often, in nanoseconds. */
@inline
const SLICE: i64 = 100_000_000

/**
 * Sleeps while the word at p still is `old`, for a slice of time at most; false once poisoned. A function of its own, too
 * large and too often called to be inlined: V8's baseline compiler in Node 20 loses every local of a function in which a
 * wait stands, so nothing may be read after it.
 */
function sleep(control: usize, p: usize, old: i32): bool {
  if (atomic.load<i32>(control, L.CONTROL_POISON) != 0) return false
  if (atomic.load<i32>(p) != old) return true
  return atomic.wait<i32>(p, old, SLICE) >= 0
}

/** Waits until all `threads` have come. False: a worker has died, and nothing may go on. */
export function barrier(control: usize, threads: i32): bool {
  if (!ASC_FEATURE_THREADS) return true
  if (threads == 1) return true
  const generation = atomic.load<i32>(control, L.CONTROL_GENERATION)
  if (atomic.add<i32>(control, 1, L.CONTROL_ARRIVED) == threads - 1) {
    atomic.store<i32>(control, 0, L.CONTROL_ARRIVED)
    atomic.add<i32>(control, 1, L.CONTROL_GENERATION)
    if (atomic.load<i32>(control, L.CONTROL_SLEEPERS) != 0) atomic.notify(control + L.CONTROL_GENERATION, threads)
    return atomic.load<i32>(control, L.CONTROL_POISON) == 0
  }
  return await_(control, control + L.CONTROL_GENERATION, generation)
}

/** Spins, then sleeps, while the word at p still is `old`. */
function await_(control: usize, p: usize, old: i32): bool {
  for (let i = 0; i < SPINS; i++) {
    if (atomic.load<i32>(p) != old) return true
  }
  atomic.add<i32>(control, 1, L.CONTROL_SLEEPERS)
  while (atomic.load<i32>(p) == old) {
    if (!sleep(control, p, old)) break
  }
  atomic.sub<i32>(control, 1, L.CONTROL_SLEEPERS)
  return atomic.load<i32>(p) != old
}

/** Thread 0 tells the parked threads what to run. */
export function command(control: usize, what: i32): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(control, what, L.CONTROL_COMMAND)
    atomic.add<i32>(control, 1, L.CONTROL_TICKET)
    if (atomic.load<i32>(control, L.CONTROL_PARKED) != 0) atomic.notify(control + L.CONTROL_TICKET, -1)
  }
}

/**
 * A pool thread waits here for the command after ticket `ticket`; returns it, or 0 once a slice of time has passed, so
 * that the caller can look about. Poisoned: -1.
 */
export function park(control: usize, ticket: i32): i32 {
  if (!ASC_FEATURE_THREADS) return -1
  for (let i = 0; i < SPINS; i++) {
    if (atomic.load<i32>(control, L.CONTROL_TICKET) != ticket) return atomic.load<i32>(control, L.CONTROL_COMMAND)
  }
  atomic.add<i32>(control, 1, L.CONTROL_PARKED)
  const alive = sleep(control, control + L.CONTROL_TICKET, ticket)
  atomic.sub<i32>(control, 1, L.CONTROL_PARKED)
  if (!alive) return -1
  return atomic.load<i32>(control, L.CONTROL_TICKET) != ticket ? atomic.load<i32>(control, L.CONTROL_COMMAND) : 0
}
