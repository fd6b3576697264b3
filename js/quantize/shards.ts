/** A model that stays in the shards that it is in, as llama-quantize --keep-split writes them. */
import type { MetadataEntry, RawEntry } from '../gguf/writer.ts'
import type { Source } from '../source/types.ts'
import type { PlannedTensor } from './plan.ts'

export interface PlannedFile {
  metadata: (MetadataEntry | RawEntry)[]
  tensors: PlannedTensor[]
}

/** The files, each with the tensors of one of the source's; the metadata are in the first. */
export function shardsOf(
  { parts, size, name }: Source,
  metadata: readonly (MetadataEntry | RawEntry)[],
  tensors: readonly PlannedTensor[],
): PlannedFile[] {
  const files = parts ?? [{ name, offset: 0, size }]
  const groups = files.map((part) =>
    tensors.filter(({ offset }) => offset >= part.offset && offset < part.offset + part.size),
  )
  return groups.map((group, no) => ({
    metadata: [
      ...(no === 0 ? metadata : []),
      ...(groups.length > 1 ? splitEntries(no, groups.length, tensors.length) : []),
    ],
    tensors: group,
  }))
}

function splitEntries(no: number, count: number, tensors: number): MetadataEntry[] {
  return [
    { key: 'split.no', type: 'uint16', value: no },
    { key: 'split.count', type: 'uint16', value: count },
    { key: 'split.tensors.count', type: 'int32', value: tensors },
  ]
}
