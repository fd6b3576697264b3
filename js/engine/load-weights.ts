/** Streams a file's tensors into the segments: window by window through the staging area, repacked in place. */
import { REPACK_NOT_FINITE } from '../../assembly/layout.ts'
import { CriaError, FormatError, throwIfAborted } from '../errors.ts'
import type { TensorInfo } from '../gguf/types.ts'
import type { Source } from '../source/source.ts'
import { fileRowBytes, type MemoryPlan, type SegmentPlan, segmentTensors } from './plan.ts'
import type { Matrix, ModelTensors } from './tensors.ts'
import type { Segment } from './wasm.ts'

/** Largest window read at once: large enough to hide a read's cost, small enough to report progress often. */
const WINDOW = 1024 * 1024

interface Item {
  segment: Segment
  plan: SegmentPlan
  info: TensorInfo
  matrix?: Matrix
}

export type OnBytes = (done: number, total: number) => void

/**
 * Reads every tensor of the model, in the order of the file.
 * @throws FormatError NON_FINITE_WEIGHTS naming the tensor; SourceError, AbortError
 */
export async function loadWeights(
  source: Source,
  plan: MemoryPlan,
  segments: readonly Segment[],
  tensors: ModelTensors,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<void> {
  const items = listItems(plan, segments, tensors)
  const total = items.reduce((sum, { info }) => sum + info.bytes, 0)
  let done = 0
  onBytes(0, total)
  for (const item of items) {
    const read = (bytes: number): void => {
      done += bytes
      onBytes(done, total)
    }
    if (item.matrix) await loadMatrix(source, item, item.matrix, read, signal)
    else await loadVector(source, item, read, signal)
  }
  await source.finish?.(signal)
}

function listItems(plan: MemoryPlan, segments: readonly Segment[], tensors: ModelTensors): Item[] {
  const items: Item[] = []
  for (const [i, segmentPlan] of plan.segments.entries()) {
    const base = { segment: segments[i]!, plan: segmentPlan }
    for (const { matrix, vector } of segmentTensors(tensors, segmentPlan.firstLayer, segmentPlan.layers)) {
      if (vector) items.push({ ...base, info: vector })
      if (!matrix) continue
      items.push({ ...base, info: matrix.info, matrix })
      if (matrix.bias) items.push({ ...base, info: matrix.bias })
    }
  }
  return items.sort((a, b) => a.info.offset - b.info.offset)
}

async function loadMatrix(
  source: Source,
  { segment, plan, info }: Item,
  matrix: Matrix,
  onRead: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const { type, rows, columns, groupBytes } = matrix
  const rowBytes = fileRowBytes(matrix)
  const { at, bytes } = plan.staging
  const step = Math.max(1, Math.floor(Math.min(bytes, WINDOW) / (8 * rowBytes))) * 8
  const dst = plan.addresses.get(info.name)!
  for (let row = 0; row < rows; row += step) {
    throwIfAborted(signal, 'Loading the model')
    const count = Math.min(step, rows - row)
    await source.read(new Uint8Array(segment.memory.buffer, at, count * rowBytes), info.offset + row * rowBytes, signal)
    const to = dst + (row / 8) * groupBytes
    const status = segment.exports.repack(type.id, at, count, columns, rowBytes, to, groupBytes)
    if (status === REPACK_NOT_FINITE) throw notFinite(info)
    if (status !== 0) throw new CriaError('REPACK', `The kernels do not know the type of ${info.name}.`, type.id)
    onRead(count * rowBytes)
  }
}

async function loadVector(
  source: Source,
  { segment, plan, info }: Item,
  onRead: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  throwIfAborted(signal, 'Loading the model')
  const at = plan.addresses.get(info.name)!
  await source.read(new Uint8Array(segment.memory.buffer, at, info.bytes), info.offset, signal)
  if (!new Float32Array(segment.memory.buffer, at, info.bytes / 4).every(Number.isFinite)) throw notFinite(info)
  onRead(info.bytes)
}

function notFinite(info: TensorInfo): FormatError {
  return new FormatError(
    'NON_FINITE_WEIGHTS',
    `The tensor ${info.name} holds an infinity or NaN: the file is damaged or was converted wrongly. Get it again.`,
    info.name,
  )
}
