/** `cria inspect`: what a GGUF file holds and the memory it will need. */

import { inspect } from '../api/inspect.ts'
import type { Inspection } from '../api/types.ts'
import { fetchFrom, SOURCE_URL } from '../bench/fetch-source.ts'
import { SHAPES } from '../bench/shapes.ts'
import { SyntheticModel, TYPE_NAMES } from '../bench/synthetic.ts'
import type { Command, Context } from './command.ts'
import { choice, toggle, UsageError, type Values } from './flags.ts'
import { ENGINE } from './llama-flags.ts'
import { abbreviate, kindOf, plain } from './metadata.ts'
import { MODEL_FLAGS } from './model.ts'
import { LOAD_FLAGS, loadOptions, OTHER_FLAGS } from './options.ts'
import { ROPE_FLAGS, withRope } from './rope.ts'
import { findInput } from './source.ts'
import { bytes, printable, table, write } from './terminal.ts'
import { modelRows, samplingText } from './traits.ts'

const { isa: _, ...MEMORY } = LOAD_FLAGS
const OUTPUT = {
  json: toggle('--json', 'one JSON object in place of tables'),
  full: toggle('--full', 'print long arrays and texts of the metadata in full'),
}

const SHAPE = {
  shape: choice(
    '--shape',
    Object.keys(SHAPES),
    'the model of this shape that cria bench would make; no file is needed',
  ),
  type: choice('--type', TYPE_NAMES, 'type of its matrices; default: q4_0'),
}

const flags = { ...MODEL_FLAGS, ...SHAPE, ...MEMORY, ...ROPE_FLAGS, ...OUTPUT, ...OTHER_FLAGS }

export const inspectCommand: Command<typeof flags> = {
  name: 'inspect',
  summary: 'metadata, tensors and memory needs of a GGUF file',
  usage: 'inspect [FILE] [options]',
  description: [
    'Prints metadata, tensors, sizes by type, the kind of model, and the memory that it needs at a context.',
    'Reads the header alone, over HTTP too. The default FILE is the built-in model. The exit code is 1 for a',
    'file that cannot run, and the last line says why.',
  ],
  groups: [
    ['Model', MODEL_FLAGS],
    ['Shape', SHAPE],
    ['Memory', MEMORY],
    ['Rotation', ROPE_FLAGS],
    ['Output', { ...OUTPUT, ...OTHER_FLAGS }],
  ],
  examples: [
    'cria inspect model.gguf -c 8192',
    'cria inspect model.gguf --json',
    'cria inspect hf:owner/repo/file.gguf --kv f32',
    'cria inspect --shape llama-2-70b --type q4_k_m -c 4096',
  ],
  flags,
  foreign: ENGINE,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 1) throw new UsageError(`inspect takes one FILE, not ${positionals.length}.`)
  const { shape, full = false } = values
  if (shape !== undefined && positionals.length > 0) throw new UsageError('inspect takes a FILE or --shape, not both.')
  if (shape === undefined && values.type !== undefined) throw new UsageError('--type belongs to --shape.')
  const { location, options } =
    shape === undefined
      ? await withRope(await findInput(values, context.signal, positionals[0]), values, context.signal)
      : { location: SOURCE_URL, options: { fetch: await shapeFetch(shape, values.type) } }
  const inspection = await inspect(location, { ...loadOptions(values), ...options, signal: context.signal })
  const file = shape ?? (typeof location === 'string' ? location : 'built-in model')
  const shown = values.json
    ? `${JSON.stringify(asJson(inspection, file, full), null, 2)}\n`
    : asText(inspection, file, full)
  await write(shown)
  return inspection.problem ? 1 : 0
}

/** Of the file that `cria bench --shape` would write, its header is made and read. */
async function shapeFetch(shape: string, type = 'q4_0'): Promise<typeof fetch> {
  return fetchFrom(await new SyntheticModel({ shape, type }).source())
}

interface TypeTotal {
  type: string
  tensors: number
  bytes: number
}

/** Tensors and bytes by type, the most bytes first. */
function totals({ tensors }: Inspection): TypeTotal[] {
  const byType = new Map<string, TypeTotal>()
  for (const tensor of tensors) {
    const total = byType.get(tensor.type) ?? { type: tensor.type, tensors: 0, bytes: 0 }
    total.tensors++
    total.bytes += tensor.bytes
    byType.set(tensor.type, total)
  }
  return [...byType.values()].sort((a, b) => b.bytes - a.bytes)
}

function asJson(inspection: Inspection, file: string, full: boolean): unknown {
  const { version, fileBytes, metadata, tensors, problem, warnings, sampling, config, parameters, memory } = inspection
  return {
    file,
    version,
    fileBytes,
    metadata: Object.fromEntries(Array.from(metadata, ([key, value]) => [key, plain(value, full)])),
    tensors: tensors.map(({ name, type, dimensions, offset, bytes }) => ({ name, type, dimensions, offset, bytes })),
    types: totals(inspection),
    ...(problem && { problem: { code: problem.code, message: problem.message } }),
    warnings,
    sampling,
    config,
    parameters,
    memory,
  }
}

function asText(inspection: Inspection, file: string, full: boolean): string {
  const { version, fileBytes, metadata, tensors, problem, warnings, config, memory, parameters } = inspection
  const sections = [
    `${printable(file)}: GGUF version ${version}, ${sized(fileBytes)}`,
    section(
      `Metadata (${metadata.size})`,
      Array.from(metadata, ([key, value]) => [printable(key), kindOf(value), abbreviate(value, full)]),
      'lll',
    ),
    section(
      `Tensors (${tensors.length})`,
      tensors.map((t) => [printable(t.name), t.type, t.dimensions.join(' × '), String(t.bytes)]),
      'lllr',
    ),
    tensors.length > 0 &&
      section(
        'Types',
        totals(inspection).map((t) => [
          t.type,
          String(t.tensors),
          t.tensors === 1 ? 'tensor' : 'tensors',
          sized(t.bytes),
        ]),
        'lrlr',
      ),
    config && section('Model', [...modelRows(config, tensors), ...samplingRows(inspection)], 'll'),
    parameters && section('Parameters', parameterRows(inspection), 'lr'),
    memory &&
      section(
        `Memory at a context of ${memory.context} tokens, KV cache ${memory.kvType}`,
        [
          ['weights', sized(memory.weights)],
          ['KV cache', sized(memory.kv)],
          ['buffers', sized(memory.buffers)],
          [memory.segments > 1 ? `total, in ${memory.segments} memories` : 'total', sized(memory.total)],
        ],
        'lr',
      ),
    warnings.length > 0 && warnings.map(({ message }) => `warning: ${printable(message)}`).join('\n'),
    problem && `cria cannot run it: ${printable(problem.message)} (${problem.code})`,
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

function samplingRows({ sampling }: Inspection): string[][] {
  const text = samplingText(sampling)
  return text ? [['sampling', text]] : []
}

function parameterRows({ parameters, config }: Inspection): string[][] {
  const { total, active } = parameters!
  return [['in all', named(total)], ...(config!.expertCount > 0 ? [['active for a token', named(active)]] : [])]
}

/** As models are called: `1100048384 (1.1 B)`. */
function named(count: number): string {
  if (count < 1e6) return String(count)
  return `${count} (${count < 1e9 ? `${(count / 1e6).toFixed(1)} M` : `${(count / 1e9).toFixed(1)} B`})`
}

function sized(count: number): string {
  return count < 1024 ? `${count} bytes` : `${count} bytes (${bytes(count)})`
}

/** A title and rows in columns, each `l`eft or `r`ight aligned. */
function section(title: string, rows: string[][], alignment: string): string {
  return [title, ...table(rows, alignment)].join('\n')
}
