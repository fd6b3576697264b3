/**
 * A model in several files, as llama-gguf-split makes them: read as if they were one, shard after shard.
 *
 *     │ header 1 │ tensors … │ header 2 │ tensors … │ header 3 │ tensors … │
 *     └── parts[0] ──────────┴── parts[1] ──────────┴── parts[2] ──────────┘
 */

import { ArgumentError, CriaError, SourceError } from '../errors.ts'
import { checkRange } from '../util/check.ts'
import { isUrl } from '../util/kind.ts'
import { openSource } from './source.ts'
import type { ModelInput, ModelPart, OpenFile, Part, Source, SourceOptions } from './types.ts'

/** `…-00001-of-00003.gguf`, perhaps with a URL's query. */
const SHARD_NAME = /-(\d{5})-of-(\d{5})(?=\.gguf(?:$|[?#]))/i

/**
 * The places of all shards of the model whose first is at `location`, or just that where it is no shard's name.
 * @throws SourceError where it names another shard than the first
 */
export function shardLocations(location: string): string[] {
  const [, index, count] = SHARD_NAME.exec(location) ?? []
  if (index === undefined || Number(count) < 2) return [location]
  if (Number(index) === 1) {
    const name = (i: number): string => `-${String(i + 1).padStart(5, '0')}-of-${count}`
    return Array.from({ length: Number(count) }, (_, i) => location.replace(SHARD_NAME, name(i)))
  }
  throw new SourceError(
    'SHARD_ORDER',
    `${withoutQuery(location)} is shard ${Number(index)} of ${Number(count)}; pass the first, -00001-of-${count}.gguf.`,
    withoutQuery(location),
  )
}

/**
 * Opens a model: a file, the first of several shards whose others lie beside it under their names, or a list of shards in
 * their order. `sha256` is then a list too, one for each.
 * @throws SourceError SHARD_MISSING naming the shard that is not there, and what openSource throws
 */
export async function openModel(
  input: ModelInput,
  openFile: OpenFile,
  options: SourceOptions & { signal?: AbortSignal } = {},
): Promise<Source> {
  const inputs = listInputs(input)
  const sums = checksums(options.sha256, inputs.length)
  const sources: Source[] = []
  try {
    for (const [i, shard] of inputs.entries()) {
      const { sha256: _, ...rest } = options
      const source = await openShard(shard, i, inputs.length, openFile, { ...rest, ...(sums && { sha256: sums[i]! }) })
      sources.push(source)
      // The header of the first is what is read next; browsers allow but a few connections that wait.
      if (i > 0) await source.pause?.()
    }
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()))
    throw error
  }
  return sources.length === 1 ? sources[0]! : new ShardedSource(sources)
}

function listInputs(input: ModelInput): readonly ModelPart[] {
  if (Array.isArray(input)) {
    if (input.length === 1) return listInputs(input[0])
    if (input.length > 0) return input
    throw new ArgumentError('INPUT_KIND', 'The list of shards is empty; give them in their order.', input)
  }
  if (isUrl(input)) return shardLocations(input.href).map((href) => new URL(href))
  return typeof input === 'string' ? shardLocations(input) : [input as ModelPart]
}

function checksums(sha256: SourceOptions['sha256'], count: number): readonly string[] | undefined {
  if (sha256 === undefined) return undefined
  const sums = typeof sha256 === 'string' ? [sha256] : sha256
  if (Array.isArray(sums) && sums.length === count) return sums
  throw new ArgumentError(
    'SHA256',
    `The model is in ${count} files; sha256 must be a list of as many checksums, in their order.`,
    sha256,
  )
}

async function openShard(
  input: ModelPart,
  index: number,
  count: number,
  openFile: OpenFile,
  options: SourceOptions & { signal?: AbortSignal },
): Promise<Source> {
  try {
    return await openSource(input, openFile, options)
  } catch (cause) {
    if (count === 1 || !(cause instanceof CriaError) || !isMissing(cause)) throw cause
    const place = typeof input === 'string' || isUrl(input) ? withoutQuery(String(input)) : 'which was passed'
    throw new SourceError(
      'SHARD_MISSING',
      `Shard ${index + 1} of ${count}, ${place}, is missing: all shards must lie beside the first. ${cause.message}`,
      place,
      { cause },
    )
  }
}

function isMissing({ code, value }: CriaError): boolean {
  return code === 'FILE_NOT_FOUND' || (code === 'HTTP_STATUS' && (value === 404 || value === 410))
}

/** For messages: a query may hold secrets. */
function withoutQuery(location: string): string {
  return location.replace(/[?#].*$/s, '')
}

class ShardedSource implements Source {
  readonly name: string
  readonly size: number
  readonly parts: readonly Part[]
  /** Compares every shard's checksum; present where they have some. */
  readonly finish?: (signal?: AbortSignal) => Promise<void>
  /** Index of the shard that was read last. */
  #last = 0

  constructor(private readonly sources: readonly Source[]) {
    let offset = 0
    this.parts = sources.map(({ name, size }) => {
      const part = { name, offset, size }
      offset += size
      return part
    })
    this.name = sources[0]!.name
    this.size = offset
    if (sources.some(({ finish }) => finish)) {
      this.finish = async (signal) => {
        for (const source of sources) await source.finish?.(signal)
      }
    }
  }

  async read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    checkRange(this, target, offset)
    const reads: Promise<void>[] = []
    for (const [i, part] of this.parts.entries()) {
      const start = Math.max(offset, part.offset)
      const end = Math.min(offset + target.length, part.offset + part.size)
      if (start >= end) continue
      if (i !== this.#last) this.sources[this.#last]!.pause?.().catch(() => {})
      this.#last = i
      reads.push(this.sources[i]!.read(target.subarray(start - offset, end - offset), start - part.offset, signal))
    }
    await Promise.all(reads)
  }

  async close(): Promise<void> {
    await Promise.all(this.sources.map((source) => source.close()))
  }
}
