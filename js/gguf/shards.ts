/**
 * The header of a model in one file or several. Of shards, as llama-gguf-split makes them, the first has the model's
 * metadata; each has split.no, split.count and split.tensors.count, and the infos of its own tensors.
 */
import { FormatError } from '../errors.ts'
import type { Source } from '../source/types.ts'
import { type Overrides, override } from './overrides.ts'
import { readGguf } from './reader.ts'
import type { Gguf, TensorInfo } from './types.ts'

/**
 * Reads a header, or those of all shards as one whose offsets count through all files, with `overrides` in its metadata.
 * @throws FormatError where files are no shards, not those of one model, or not in their order; and what readGguf throws
 */
export async function readModel(source: Source, signal?: AbortSignal, overrides?: Overrides): Promise<Gguf> {
  const gguf = await readFiles(source, signal)
  return overrides === undefined ? gguf : override(gguf, overrides)
}

async function readFiles(source: Source, signal?: AbortSignal): Promise<Gguf> {
  const { parts } = source
  if (!parts) return readGguf(source, signal)
  const tensors = new Map<string, TensorInfo>()
  let first: Gguf | undefined
  for (const [i, { name, offset, size }] of parts.entries()) {
    const part: Source = {
      name,
      size,
      read: (target, at, abort) => source.read(target, offset + at, abort),
      close: async () => {},
    }
    const gguf = await readGguf(part, signal)
    first ??= gguf
    checkShard(gguf, first, name, i, parts.length)
    for (const info of gguf.tensors.values()) {
      if (tensors.has(info.name)) {
        const message = `The tensor ${info.name} is in ${name} and in a shard before it: these are not the shards of one model.`
        throw new FormatError('GGUF_DUPLICATE_TENSOR', message, info.name)
      }
      tensors.set(info.name, { ...info, offset: offset + info.offset })
    }
  }
  const claimed = first!.metadata.get('split.tensors.count')
  if (claimed !== undefined && claimed !== tensors.size) {
    const message = `The shards hold ${tensors.size} tensors and split.tensors.count is ${String(claimed)}: one of them is of another model, or damaged.`
    throw new FormatError('SHARD_TENSORS', message, tensors.size)
  }
  return { ...first!, tensors, fileBytes: source.size, shards: parts.length }
}

function checkShard({ metadata }: Gguf, first: Gguf, name: string, index: number, count: number): void {
  const claimed = metadata.get('split.count')
  if (claimed !== count) {
    const says = claimed === undefined ? 'is no shard (it has no split.count)' : `is one of ${String(claimed)} shards`
    const message = `${name} ${says}, and ${count} files were given: pass all shards of one model and nothing else.`
    throw new FormatError('SHARD_COUNT', message, claimed)
  }
  const place = metadata.get('split.no')
  if (place !== index) {
    const which = typeof place === 'number' ? `shard ${place + 1}` : 'a shard without split.no'
    const message = `${name} is ${which} of ${count} where shard ${index + 1} is due: give the shards in their order.`
    throw new FormatError('SHARD_ORDER', message, place)
  }
  const tensors = metadata.get('split.tensors.count')
  if (tensors === first.metadata.get('split.tensors.count')) return
  const message = `${name} says that all shards have ${String(tensors)} tensors, and the first shard says otherwise: they are of different models.`
  throw new FormatError('SHARD_TENSORS', message, tensors)
}
