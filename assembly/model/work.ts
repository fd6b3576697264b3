// How a stage's work is shared out: equal chunks, which threads claim one by one, so that a thread on a slower core does
// less. Each thread's last claim of a stage fails; so a stage moves the counter by chunks + threads, every thread knows
// where the next begins, and nothing is ever reset.
import * as L from '../layout'

/** Bytes of weights that make a chunk worth claiming on its own: some microseconds of work. */
@inline
const CHUNK_BYTES = 65536
@inline
const CHUNKS_PER_THREAD = 8

/** Chunks for a stage that reads `bytes` of weights: a multiple of the threads, at most one an item. */
export function chunksOf(items: i32, bytes: i64, threads: i32): i32 {
  if (threads == 1) return 1
  const each = <i32>min<i64>(bytes / (CHUNK_BYTES * <i64>threads), CHUNKS_PER_THREAD)
  return min(items, threads * max(each, 1))
}

/** The next chunk of the stage at hand for this thread, or -1 when there is none: then the thread goes to the barrier. */
export function claim(control: usize, thread: i32, threads: i32, chunks: i32): i32 {
  const stage = control + L.CONTROL_STAGE + ((<usize>thread) << 6)
  const begin = load<i32>(stage)
  let next: i32
  if (ASC_FEATURE_THREADS) next = atomic.add<i32>(control, 1, L.CONTROL_COUNTER) - begin
  else {
    next = load<i32>(control, L.CONTROL_COUNTER) - begin
    store<i32>(control, begin + next + 1, L.CONTROL_COUNTER)
  }
  if (next < chunks) return next
  store<i32>(stage, begin + chunks + threads)
  return -1
}

/** Start of part `part` of `parts` of `total` items. */
@inline
export function share(total: i32, part: i32, parts: i32): i32 {
  return <i32>((<i64>total * part) / parts)
}
