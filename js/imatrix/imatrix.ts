/**
 * Importance matrices: how much each input column of each matrix weighs, measured on a text. Source of the protocol and of
 * both formats, which reader.ts draws: llama.cpp's tools/imatrix.
 */

import { NumericError, throwIfAborted } from '../errors.ts'
import { writeGguf } from '../gguf/writer.ts'
import { type ChunkPlan, chunkIds, type LogitsModel, planChunks } from '../perplexity/chunks.ts'
import type { InputSums } from '../scheduler/activations.ts'
import { checkSignal } from '../source/check.ts'
import { checkOptions, checkTypes, invalid, type OptionNames } from '../util/check.ts'
import type { ImatrixOptions } from './types.ts'

const OPTIONS: OptionNames<ImatrixOptions> = {
  context: true,
  chunks: true,
  processOutput: true,
  format: true,
  dataset: true,
  onChunk: true,
  signal: true,
}

/** What the file has of a matrix: f32 [experts, columns] and [experts]. */
interface Entry {
  name: string
  sums: Float32Array<ArrayBuffer>
  counts: Float32Array<ArrayBuffer>
}

/** `read` gives what the matrices read at some tokens. For the rest, see `imatrix` of Model. */
export async function measureImatrix(
  model: LogitsModel,
  text: string | readonly number[],
  options: ImatrixOptions,
  read: (ids: number[]) => Promise<InputSums[]>,
): Promise<Uint8Array<ArrayBuffer>> {
  checkOptions(options, OPTIONS)
  const { format = 'gguf', dataset = '', processOutput, onChunk, signal } = options
  checkSignal(signal)
  checkTypes(options, 'function', ['onChunk'])
  checkTypes(options, 'boolean', ['processOutput'])
  checkTypes(options, 'string', ['dataset'])
  if (format !== 'gguf' && format !== 'dat') throw invalid('format', 'gguf or dat', format)
  const plan = planChunks(model, text, options)
  let all: InputSums[] = []
  for (let index = 0; index < plan.chunks; index++) {
    throwIfAborted(signal, 'The importance matrix')
    const chunk = await read(chunkIds(plan, index))
    for (const [i, { sums, counts }] of all.entries()) {
      for (const [j, sum] of sums.entries()) chunk[i]!.sums[j]! += sum
      for (const [j, count] of counts.entries()) chunk[i]!.counts[j]! += count
    }
    all = chunk
    onChunk?.({ index, total: plan.chunks })
  }
  const entries = all.flatMap(entriesOf).filter(({ name }) => processOutput || name !== 'output.weight')
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  const parts = format === 'dat' ? legacyParts(entries, plan, dataset) : await ggufParts(entries, plan, dataset)
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}

/** @throws NumericError for sums that are no f32 */
function entriesOf({ names, ...all }: InputSums): Entry[] {
  const [sums, counts] = [Float32Array.from(all.sums), Float32Array.from(all.counts)]
  if (sums.every(Number.isFinite)) return names.map((name) => ({ name, sums, counts }))
  const message = `What ${names[0]} reads is not finite: the model's weights are damaged or overflow.`
  throw new NumericError('IMATRIX_NOT_FINITE', message, names[0])
}

async function ggufParts(entries: readonly Entry[], plan: ChunkPlan, dataset: string): Promise<BlobPart[]> {
  const tensor = (name: string, data: Float32Array<ArrayBuffer>, experts: number) => ({
    name,
    // As ggml counts dimensions: without the last ones of 1.
    dimensions: experts > 1 ? [data.length / experts, experts] : [data.length],
    type: 'F32',
    data: () => [new Uint8Array(data.buffer)],
  })
  const file = writeGguf(
    [
      { key: 'general.type', type: 'string', value: 'imatrix' },
      { key: 'imatrix.datasets', type: 'array', of: 'string', value: dataset ? [dataset] : [] },
      { key: 'imatrix.chunk_count', type: 'uint32', value: plan.chunks },
      { key: 'imatrix.chunk_size', type: 'uint32', value: plan.context },
    ],
    entries.flatMap(({ name, sums, counts }) => [
      tensor(`${name}.in_sum2`, sums, counts.length),
      tensor(`${name}.counts`, counts, counts.length),
    ]),
  )
  const parts: BlobPart[] = []
  for await (const part of file) parts.push(part as Uint8Array<ArrayBuffer>)
  return parts
}

/** Means times calls, of which there is one a chunk. */
function legacyParts(entries: readonly Entry[], { chunks, context }: ChunkPlan, dataset: string): BlobPart[] {
  const text = (value: string): BlobPart[] => {
    const bytes = new TextEncoder().encode(value)
    return [Int32Array.of(bytes.length), bytes]
  }
  const parts = entries.flatMap(({ name, sums, counts }): BlobPart[] => {
    const calls = Math.ceil(Math.max(...counts) / context)
    const columns = sums.length / counts.length
    const values = sums.map((sum, i) => {
      const count = counts[Math.floor(i / columns)]!
      return count > 0 ? Math.fround(sum / count) * calls : calls
    })
    return [...text(name), Int32Array.of(calls, values.length), values]
  })
  return [Int32Array.of(entries.length), ...parts, Int32Array.of(chunks), ...text(dataset)]
}
