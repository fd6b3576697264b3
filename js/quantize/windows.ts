/** A GGUF file whose tensors are converted in windows of rows while it is written. */
import type { Progress } from '../api/types.ts'
import { type MetadataEntry, type RawEntry, type TensorEntry, writeGguf } from '../gguf/writer.ts'
import { inOrder } from './in-order.ts'

/** A tensor as it will be: its rows come as windows, in order. */
export interface ConvertedTensor extends Omit<TensorEntry, 'data'> {
  rows: number
  /** Bytes that are read for it. */
  sourceBytes: number
}

export interface Conversion<Window extends { rows: number }> {
  /** Tensors that come first, and need no converting. */
  before?: readonly TensorEntry[]
  tensors: readonly ConvertedTensor[]
  /** Of all tensors, one after the other. */
  windows: Iterable<Window>
  convert(window: Window): Promise<Uint8Array>
  /** Windows under way at once. */
  ahead: number
  onProgress: ((progress: Progress) => void) | undefined
}

/** The file: its header, then the tensors' data, windows of which are under way while others are written. */
export async function* writeConverted<Window extends { rows: number }>(
  metadata: readonly (MetadataEntry | RawEntry)[],
  { before = [], tensors, windows, convert, ahead, onProgress }: Conversion<Window>,
): AsyncGenerator<Uint8Array> {
  const total = tensors.reduce((sum, { sourceBytes }) => sum + sourceBytes, 0)
  let done = 0
  onProgress?.({ phase: 'header', done, total })
  const run = async (window: Window) => ({ rows: window.rows, bytes: await convert(window) })
  const results = inOrder(windows, run, ahead)
  async function* take({ rows, sourceBytes }: ConvertedTensor): AsyncGenerator<Uint8Array> {
    for (let taken = 0; taken < rows; ) {
      const window = (await results.next()).value as { rows: number; bytes: Uint8Array }
      yield window.bytes
      taken += window.rows
      done += (sourceBytes / rows) * window.rows
      onProgress?.({ phase: 'weights', done, total })
    }
  }
  try {
    const entries = tensors.map((tensor): TensorEntry => ({ ...tensor, data: () => take(tensor) }))
    yield* writeGguf(metadata, [...before, ...entries])
  } finally {
    await results.return(undefined)
  }
  onProgress?.({ phase: 'ready', done: total, total })
}
