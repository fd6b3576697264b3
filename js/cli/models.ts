/** `cria pull` and `cria models`: models that stay on this machine. */
import type { Progress } from '../api/types.ts'
import { models } from '../store/models.ts'
import type { StoredFile } from '../store/types.ts'
import type { Command, Context } from './command.ts'
import { toggle, UsageError, type Values } from './flags.ts'
import { OTHER_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { INPUT_FLAGS, sourceOptions } from './source.ts'
import { bytes, printable, progressBar, say, sayWarning, table, write } from './terminal.ts'

const NOTES = [
  'INPUT is an http(s) URL, hf:OWNER/REPO[@REVISION]/FILE.gguf, or hf:OWNER/REPO[:QUANT] for the',
  'file that --hf-repo takes; of a model in shards the first.',
]
const pullFlags = { ...INPUT_FLAGS, ...OTHER_FLAGS }

export const pullCommand: Command<typeof pullFlags> = {
  name: 'pull',
  summary: 'download a model, to stay on this machine',
  usage: 'pull INPUT… [options]',
  description: [
    ...NOTES,
    'What was interrupted goes on where it ended; what is there is compared with the server. Files of',
    "the hub lie in the cache that the hub's other tools share (HF_HOME, HF_HUB_CACHE), others beside",
    'it. stdout has the paths.',
  ],
  groups: [
    ['Download', INPUT_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: ['cria pull hf:owner/repo:Q4_K_M', 'cria run --cache -m hf:owner/repo/file.gguf'],
  flags: pullFlags,
  run: runPull,
}

async function runPull(
  values: Values<typeof pullFlags>,
  inputs: readonly string[],
  { signal }: Context,
): Promise<number> {
  if (inputs.length === 0) throw new UsageError('pull takes at least one INPUT.')
  if (inputs.length > 1 && values.sha256 !== undefined) throw new UsageError('--sha256 is for one INPUT.')
  for (const input of inputs) {
    const bar = progressBar('downloading')
    const onProgress = (progress: Omit<Progress, 'phase'>): void => bar.update({ phase: 'download', ...progress })
    const options = { ...sourceOptions(values, input), refresh: true, onProgress, onWarning: sayWarning, signal }
    const { files } = await models.get(input, options).finally(() => bar.stop())
    for (const { path } of files) await write(`${path}\n`)
  }
  return 0
}

const modelsFlags = {
  json: toggle('--json', 'list, verify: one JSON object'),
  force: toggle('--force', 'export: replace an existing file'),
  ...OTHER_FLAGS,
}
type Given = Values<typeof modelsFlags>

/** What each does, and the arguments it takes. */
const ACTIONS: Record<
  string,
  { takes: string[]; run(values: Given, args: readonly string[], signal: AbortSignal): Promise<number> }
> = {
  list: { takes: [], run: runList },
  delete: { takes: ['INPUT'], run: runDelete },
  prune: { takes: [], run: runPrune },
  verify: { takes: ['[INPUT]'], run: runVerify },
  export: { takes: ['INPUT', 'FILE'], run: runExport },
}

export const modelsCommand: Command<typeof modelsFlags> = {
  name: 'models',
  summary: 'list, delete, check and export the models that stay on this machine',
  usage: 'models [list | delete | prune | verify | export] … [options]',
  description: [
    ...Object.entries(ACTIONS).map(([name, { takes }]) => `  cria models ${[name, ...takes].join(' ')}`),
    ...NOTES,
    'prune removes downloads that were interrupted. verify reads files and compares their SHA-256.',
  ],
  groups: [['Options', modelsFlags]],
  examples: ['cria models', 'cria models delete hf:owner/repo/file.gguf', 'cria models export hf:owner/repo m.gguf'],
  flags: modelsFlags,
  run: runModels,
}

async function runModels(values: Given, positionals: readonly string[], { signal }: Context): Promise<number> {
  const [name = 'list', ...args] = positionals
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined
  if (!action) throw new UsageError(`models takes ${Object.keys(ACTIONS).join(', ')}, not ${name}.`)
  const least = action.takes.filter((argument) => !argument.startsWith('[')).length
  if (args.length < least || args.length > action.takes.length) {
    throw new UsageError(`models ${name} takes ${action.takes.join(' ') || 'nothing'}, not ${args.length} arguments.`)
  }
  if (values.json && name !== 'list' && name !== 'verify') throw new UsageError(`--json is not for models ${name}.`)
  if (values.force && name !== 'export') throw new UsageError(`--force is not for models ${name}.`)
  return action.run(values, args, signal)
}

async function runList({ json }: Given): Promise<number> {
  const files = await models.list()
  if (json) await write(`${JSON.stringify({ files }, null, 2)}\n`)
  else if (files.length === 0) say('There are no models; cria pull downloads one.')
  else await write(`${table(files.map(rowOf), 'lrl').join('\n')}\n`)
  return 0
}

function rowOf({ input, landed, size, complete }: StoredFile): string[] {
  const part = complete ? '' : `of ${size === undefined ? '?' : bytes(size)}: cria pull goes on`
  return [printable(input), bytes(landed), part]
}

async function runDelete(_: Given, [input]: readonly string[]): Promise<number> {
  return sayFreed(await models.delete(input!))
}

async function runPrune(): Promise<number> {
  return sayFreed(await models.prune())
}

function sayFreed(count: number): number {
  say(`${bytes(count)} freed`)
  return 0
}

/** Exit code 1 where a file is not what it should be. */
async function runVerify({ json }: Given, [input]: readonly string[], signal: AbortSignal): Promise<number> {
  const files = await models.verify(input, { signal })
  const word = { true: 'ok', false: 'damaged: delete it, and pull it again', undefined: 'no checksum is known' }
  const rows = files.map(({ input, ok }) => [printable(input), word[`${ok}`]])
  if (json) await write(`${JSON.stringify({ files }, null, 2)}\n`)
  else if (rows.length > 0) await write(`${table(rows, 'll').join('\n')}\n`)
  return files.some(({ ok }) => ok === false) ? 1 : 0
}

async function runExport(values: Given, [input, file]: readonly string[]): Promise<number> {
  const force = values.force ?? false
  await checkOutput(file!, force)
  await writeWhole(file!, await models.export(input!), force)
  return 0
}
