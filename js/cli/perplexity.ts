/** `cria perplexity`: the perplexity of a text, and the divergence of a model's probabilities from another's. */
import type { Model } from '../api/types.ts'
import { MOST_CONTEXT } from '../engine/context.ts'
import { readBaseHeader } from '../perplexity/base-file.ts'
import { compareWithBase, writeBase } from '../perplexity/divergence.ts'
import { DIVERGENCE_HEADER, divergenceRow, divergenceSummary } from '../perplexity/report.ts'
import { openFile } from '../platform/files-node.ts'
import { shardLocations } from '../source/shards.ts'
import type { Command, Context } from './command.ts'
import { integer, text, toggle, UsageError, type Values } from './flags.ts'
import { loadModel } from './model.ts'
import { LOAD_FLAGS, OTHER_FLAGS, SOURCE_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { asPrompt } from './prompt.ts'
import { bytes, type RawText, readText, say, withoutLineEnd, write } from './terminal.ts'

export const CHUNK_FLAGS = {
  file: text('-f --file', 'FILE', 'file with the text, whose last newline is dropped; -: stdin'),
  chunks: integer('--chunks', 'most chunks; default: all', 1),
}
export const CHUNK_LOAD_FLAGS = {
  ...LOAD_FLAGS,
  ctxSize: integer('-c --ctx-size', 'tokens of a chunk; default: 512', 4, MOST_CONTEXT),
}
const COMPARE = {
  base: text('--kl-divergence-base', 'FILE', "file of a base model's log-probabilities, in llama-perplexity's format"),
  compare: toggle('--kl-divergence', 'compare with --kl-divergence-base, over its text'),
  force: toggle('--force', 'replace an existing file'),
}

const flags = { ...CHUNK_FLAGS, ...SOURCE_FLAGS, ...CHUNK_LOAD_FLAGS, ...COMPARE, ...OTHER_FLAGS }
type Given = Values<typeof flags>

export const DEFAULT_CONTEXT = 512

export const perplexityCommand: Command<typeof flags> = {
  name: 'perplexity',
  summary: 'perplexity of a text, and KL divergence from another model',
  usage: 'perplexity -m FILE -f TEXT [options]',
  description: [
    "Follows llama-perplexity's protocol: chunks of the text, each computed alone with BOS first; the",
    'later half of each counts. --kl-divergence-base writes the log-probabilities to a file;',
    '--kl-divergence compares another model with it. Estimates, tables and file are',
    'those of llama-perplexity.',
  ],
  groups: [
    ['Text', CHUNK_FLAGS],
    ['Comparison', COMPARE],
    ['Model', SOURCE_FLAGS],
    ['Engine', CHUNK_LOAD_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria perplexity -m model.gguf -f wiki.test.raw',
    'cria perplexity -m model-f16.gguf -f wiki.test.raw --kl-divergence-base model.kld',
    'cria perplexity -m model-Q4_K_M.gguf --kl-divergence-base model.kld --kl-divergence',
  ],
  flags,
  run,
}

async function run(values: Given, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`perplexity takes the model after -m, not ${positionals[0]}.`)
  const { compare, base, force = false } = values
  if (compare) return runComparison(values, context)
  if (values.file === undefined) throw new UsageError('perplexity needs a text: -f FILE.')
  if (base !== undefined) await checkOutput(base, force, ...shardLocations(values.model ?? ''), values.file)
  const content = await readContent(values.file, context.signal)
  const ctxSize = values.ctxSize ?? DEFAULT_CONTEXT
  const model = await loadModel({ ...values, ctxSize }, context.signal)
  try {
    if (base !== undefined) await runBase(model, content, base, values, context)
    else await runPerplexity(model, content, ctxSize, values, context)
  } finally {
    await model.close()
  }
  return 0
}

/** The text of `-f`. */
export async function readContent(file: string, signal: AbortSignal): Promise<RawText> {
  return withoutLineEnd(await readText(file, signal), /\n$/)
}

async function runPerplexity(
  model: Model,
  content: RawText,
  context: number,
  { chunks }: Given,
  { signal }: Context,
): Promise<void> {
  const { perplexity, uncertainty } = await model.perplexity(asPrompt(model, content, false), {
    context,
    ...(chunks !== undefined && { chunks }),
    onChunk: ({ index, perplexity }) => void write(`[${index + 1}]${perplexity.toFixed(4)},`),
    signal,
  })
  await write(finalEstimate(perplexity, uncertainty))
}

function finalEstimate(perplexity: number, uncertainty: number): string {
  return `\nFinal estimate: PPL = ${perplexity.toFixed(4)} +/- ${uncertainty.toFixed(5)}\n`
}

async function runBase(
  model: Model,
  content: RawText,
  base: string,
  { ctxSize = DEFAULT_CONTEXT, chunks, force }: Given,
  { signal }: Context,
): Promise<void> {
  let index = 0
  let final = ''
  const options = { context: ctxSize, ...(chunks !== undefined && { chunks }), signal }
  const rows = writeBase(model, asPrompt(model, content, false), options, ({ perplexity, uncertainty }) => {
    void write(`[${++index}]${perplexity.toFixed(4)},`)
    final = finalEstimate(perplexity, uncertainty)
  })
  const size = await writeWhole(base, rows, force ?? false)
  await write(final)
  say(`${base}: ${bytes(size)}`)
}

async function runComparison(values: Given, { signal }: Context): Promise<number> {
  const { base, chunks, ctxSize } = values
  if (base === undefined) throw new UsageError('--kl-divergence needs --kl-divergence-base FILE.')
  if (values.file !== undefined) throw new UsageError('--kl-divergence takes the text in --kl-divergence-base, not -f.')
  const source = await openFile(base)
  try {
    const { context } = await readBaseHeader(source, signal)
    if (ctxSize !== undefined && ctxSize !== context) {
      throw new UsageError(`${base} has chunks of ${context} tokens; leave -c ${ctxSize} out.`)
    }
    const model = await loadModel({ ...values, ctxSize: context }, signal)
    try {
      await write(`${DIVERGENCE_HEADER}\n`)
      const options = { ...(chunks !== undefined && { chunks }), signal }
      const found = await compareWithBase(model, source, options, (index, divergence) => {
        void write(`${divergenceRow(index, divergence)}\n`)
      })
      await write(`\n${divergenceSummary(found).join('\n')}\n`)
    } finally {
      await model.close()
    }
  } finally {
    await source.close()
  }
  return 0
}
