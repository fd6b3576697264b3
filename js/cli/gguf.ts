/** `cria gguf`: GGUF files split, merged, changed and shown. */
import { rm } from 'node:fs/promises'
import { ArgumentError } from '../errors.ts'
import { readGguf } from '../gguf/reader.ts'
import {
  mergeGguf,
  readEntries,
  type Shard,
  type StoredEntry,
  setMetadata,
  shardName,
  splitGguf,
} from '../gguf/rewrite.ts'
import { readModel } from '../gguf/shards.ts'
import type { Gguf, MetadataArray } from '../gguf/types.ts'
import { NUMERIC_TYPES, type ScalarType } from '../gguf/value-types.ts'
import { openFile } from '../platform/files-node.ts'
import { openModel, shardLocations } from '../source/shards.ts'
import { openSource } from '../source/source.ts'
import type { Source } from '../source/types.ts'
import type { Command, Context } from './command.ts'
import { choice, integer, text, toggle, UsageError, type Values } from './flags.ts'
import { GGUF_FOREIGN } from './llama-tools.ts'
import { abbreviate, plain } from './metadata.ts'
import { OTHER_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { bytes, printable, say, table, write } from './terminal.ts'

const SPLIT = {
  maxTensors: integer('--split-max-tensors', 'most tensors of a shard; default: 128', 1),
  maxSize: text('--split-max-size', 'N(M|G)', "most bytes of a shard's tensors; M: 10^6, G: 10^9"),
  noTensorFirst: toggle('--no-tensor-first-split', 'put the metadata alone into the first shard'),
  dryRun: toggle('--dry-run', 'print the shards and write nothing'),
}
const SET = {
  type: choice('--type', [...(Object.keys(NUMERIC_TYPES) as ScalarType[]), 'string'], 'add a key of this type'),
}
const DUMP = {
  json: toggle('--json', 'one JSON object'),
  full: toggle('--full', 'print long arrays and texts in full'),
  noTensors: toggle('--no-tensors', 'leave the tensors out'),
}
/** llama-gguf-split's way to name the action. */
const ACTION = {
  split: toggle('--split', 'as cria gguf split'),
  merge: toggle('--merge', 'as cria gguf merge'),
}
const OUTPUT = { force: toggle('--force', 'replace existing files') }

const flags = { ...SPLIT, ...SET, ...DUMP, ...ACTION, ...OUTPUT, ...OTHER_FLAGS }
type Given = Values<typeof flags>

/** What each does, the arguments it takes, and the flags that belong to it. */
const ACTIONS = {
  split: { takes: ['IN.gguf', 'PREFIX'], flags: SPLIT, run: runSplit },
  merge: { takes: ['IN-00001-of-0000N.gguf', 'OUT.gguf'], flags: {}, run: runMerge },
  set: { takes: ['FILE.gguf', 'KEY', 'VALUE', '[OUT.gguf]'], flags: SET, run: runSet },
  dump: { takes: ['FILE.gguf'], flags: DUMP, run: runDump },
}

export const ggufCommand: Command<typeof flags> = {
  name: 'gguf',
  summary: 'split, merge, change and show GGUF files',
  usage: 'gguf split | merge | set | dump … [options]',
  description: [
    ...Object.entries(ACTIONS).map(([name, { takes }]) => `  cria gguf ${[name, ...takes].join(' ')}`),
    'split writes PREFIX-00001-of-0000N.gguf and so on, as llama-gguf-split does; merge makes one',
    'file of them. set changes one metadata value, which keeps its type, in OUT or (with --force)',
    'in FILE itself. dump prints metadata and tensors with the types of the file.',
    'Files appear once they are complete.',
  ],
  groups: [
    ['split', SPLIT],
    ['set', SET],
    ['dump', DUMP],
    ['Output', { ...ACTION, ...OUTPUT, ...OTHER_FLAGS }],
  ],
  examples: [
    'cria gguf split model.gguf model --split-max-size 2G',
    'cria gguf merge model-00001-of-00003.gguf model.gguf',
    'cria gguf set model.gguf tokenizer.ggml.add_bos_token false --force',
    'cria gguf dump model.gguf --no-tensors',
  ],
  flags,
  foreign: GGUF_FOREIGN,
  run,
}

async function run(values: Given, positionals: readonly string[], context: Context): Promise<number> {
  const { split, merge, ...given } = values
  if (split && merge) throw new UsageError('Give --split or --merge, not both.')
  const flag = split ? 'split' : merge ? 'merge' : undefined
  const [name, ...args] = flag && positionals[0] !== flag ? [flag, ...positionals] : positionals
  const action = Object.entries(ACTIONS).find(([key]) => key === name)?.[1]
  if (!action) throw new UsageError(`gguf takes ${Object.keys(ACTIONS).join(', ')}${name ? `, not ${name}` : ''}.`)
  const least = action.takes.filter((argument) => !argument.startsWith('[')).length
  if (args.length < least || args.length > action.takes.length) {
    throw new UsageError(`gguf ${name} takes ${action.takes.join(' ')}, not ${args.length} arguments.`)
  }
  const own = { ...action.flags, ...OUTPUT, ...OTHER_FLAGS }
  const foreign = Object.entries(given).find(([key, value]) => value !== undefined && !(key in own))?.[0]
  if (foreign !== undefined) {
    throw new UsageError(`${flags[foreign as keyof typeof flags].names[0]} is not for gguf ${name}.`)
  }
  await action.run(values, args, context.signal)
  return 0
}

/** The model, whole or in shards. */
async function withModel(path: string, run: (source: Source, gguf: Gguf) => Promise<void>, signal: AbortSignal) {
  const source = await openModel(path, openFile, { signal })
  try {
    await run(source, await readModel(source, signal))
  } finally {
    await source.close()
  }
}

/** One file, even if it is a shard. */
async function withFile(path: string, run: (source: Source, gguf: Gguf) => Promise<void>, signal: AbortSignal) {
  const source = await openSource(path, openFile, { signal })
  try {
    await run(source, await readGguf(source, signal))
  } finally {
    await source.close()
  }
}

function runSplit({ maxTensors, maxSize, noTensorFirst, dryRun, force }: Given, args: string[], signal: AbortSignal) {
  const [input, given] = args as [string, string]
  const prefix = given.replace(/\.gguf$/, '')
  const options = {
    ...(maxTensors !== undefined && { maxTensors }),
    ...(maxSize !== undefined && { maxBytes: readSize(maxSize) }),
    ...(noTensorFirst && { noTensorFirst }),
    signal,
  }
  return withModel(
    input,
    async (source, gguf) => {
      const shards = await splitGguf(source, gguf, options)
      const paths = shards.map((_, no) => shardName(prefix, no, shards.length))
      if (!dryRun) await writeShards(shards, paths, input, force ?? false)
      for (const [no, { tensors }] of shards.entries()) {
        const size = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0)
        await write(`${paths[no]}: ${tensors.length} ${tensors.length === 1 ? 'tensor' : 'tensors'}, ${bytes(size)}\n`)
      }
    },
    signal,
  )
}

/** All of them, or none. */
async function writeShards(
  shards: readonly Shard[],
  paths: readonly string[],
  input: string,
  force: boolean,
): Promise<void> {
  for (const path of paths) await checkOutput(path, force, ...shardLocations(input))
  const written: string[] = []
  try {
    for (const [no, shard] of shards.entries()) {
      await writeWhole(paths[no]!, shard.chunks(), force)
      written.push(paths[no]!)
    }
  } catch (error) {
    await Promise.all(written.map((path) => rm(path, { force: true })))
    throw error
  }
}

function readSize(given: string): number {
  const [, count, unit] = /^(\d+)([MG])$/.exec(given) ?? []
  if (count !== undefined && Number(count) > 0) return Number(count) * (unit === 'M' ? 1e6 : 1e9)
  throw new UsageError(`--split-max-size takes a number with M or G, such as 300M or 2G, not ${JSON.stringify(given)}.`)
}

async function runMerge({ force }: Given, args: string[], signal: AbortSignal): Promise<void> {
  const [input, out] = args as [string, string]
  await checkOutput(out, force ?? false, ...shardLocations(input))
  await withModel(
    input,
    async (source, gguf) => {
      // A model may be split in one.
      if (gguf.shards === undefined && gguf.metadata.get('split.count') !== 1) {
        const message = `${input} is no first shard by its name (…-00001-of-0000N.gguf): there is nothing to merge.`
        throw new ArgumentError('NO_SHARDS', message, input)
      }
      const size = await writeWhole(out, mergeGguf(source, gguf, signal), force ?? false)
      say(`${out}: ${gguf.tensors.size} tensors, ${bytes(size)}`)
    },
    signal,
  )
}

async function runSet({ type, force }: Given, args: string[], signal: AbortSignal): Promise<void> {
  const [input, key, value, out = input] = args as [string, string, string, string?]
  await checkOutput(out, force ?? false)
  await withFile(
    input,
    async (source, gguf) => {
      const before = gguf.metadata.get(key)
      const chunks = setMetadata(source, gguf, key, value, { ...(type && { type }), signal })
      await writeWhole(out, chunks, force ?? false)
      say(
        `${out}: ${printable(key)} = ${printable(value)}${before === undefined ? '' : `, was ${abbreviate(before, false)}`}`,
      )
    },
    signal,
  )
}

function runDump({ json, full, noTensors }: Given, [input]: string[], signal: AbortSignal) {
  return withFile(
    input!,
    async (source, gguf) => {
      const entries = await readEntries(source, gguf, signal)
      const show = json ? dumpJson : dumpText
      await write(show(input!, gguf, entries, full ?? false, !noTensors))
    },
    signal,
  )
}

function typeOf({ type, of, value }: StoredEntry): string {
  return type === 'array' ? `${of}[${(value as MetadataArray).length}]` : type
}

function dumpText(file: string, gguf: Gguf, entries: StoredEntry[], full: boolean, withTensors: boolean): string {
  const { version, metadata, tensors, dataOffset } = gguf
  const rows = entries.map((entry, i) => [
    String(i + 1),
    typeOf(entry),
    printable(entry.key),
    abbreviate(entry.value, full),
  ])
  const lines = [
    `${printable(file)}: GGUF version ${version}, ${metadata.size} metadata entries, ${tensors.size} tensors, data from ${dataOffset}`,
    ...table(rows, 'rlll'),
  ]
  if (withTensors && tensors.size > 0) {
    const shown = Array.from(tensors.values(), ({ name, type, dimensions, offset, bytes: size }, i) => [
      String(i + 1),
      type,
      dimensions.join(' × '),
      String(offset),
      String(size),
      printable(name),
    ])
    const tensorLines = table([['', 'type', 'dimensions', 'offset', 'bytes', 'tensor'], ...shown], 'rllrrl')
    return `${[...lines, '', ...tensorLines].join('\n')}\n`
  }
  return `${lines.join('\n')}\n`
}

function dumpJson(file: string, gguf: Gguf, entries: StoredEntry[], full: boolean, withTensors: boolean): string {
  const { version, tensors, dataOffset, fileBytes } = gguf
  const metadata = entries.map(({ key, type, of, value }) => [
    key,
    { type, ...(of && { of }), value: plain(value, full) },
  ])
  const shown = { file, version, fileBytes, dataOffset, metadata: Object.fromEntries(metadata) }
  return `${JSON.stringify({ ...shown, ...(withTensors && { tensors: [...tensors.values()] }) }, null, 2)}\n`
}
