/** `cria perplexity`: the perplexity of a text, and the divergence of a model's probabilities from another's. */
import type { Model } from '../api/types.ts'
import { MOST_CONTEXT } from '../engine/context.ts'
import { readBaseHeader } from '../perplexity/base-file.ts'
import { compareWithBase, writeBase } from '../perplexity/divergence.ts'
import { DIVERGENCE_HEADER, divergenceRow, divergenceSummary } from '../perplexity/report.ts'
import { stridedContext, stridedPerplexity } from '../perplexity/strided.ts'
import { openFile } from '../platform/files-node.ts'
import { shardLocations } from '../source/shards.ts'
import type { Command, Context } from './command.ts'
import { choice, integer, or, single, text, toggle, UsageError, type Values } from './flags.ts'
import { PERPLEXITY_FOREIGN } from './llama-tools.ts'
import { loadModel, MODEL_FLAGS } from './model.ts'
import { LOAD_FLAGS, OTHER_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { asPrompt, PROMPT_FLAGS, readGiven } from './prompt.ts'
import { ROPE_FLAGS } from './rope.ts'
import { bytes, type RawText, say, write } from './terminal.ts'

export const CHUNK_FLAGS = {
  ...PROMPT_FLAGS,
  prompt: text('-p --prompt', 'TEXT', 'the text'),
  file: text('-f --file', 'FILE', 'file with the text, whose last newline is dropped; -: stdin'),
  chunks: single('--chunks', 'N', 'most chunks; -1: all; default: -1', (given, name) => {
    if (given === '-1' || /^[1-9]\d{0,8}$/.test(given)) return Number(given)
    throw new UsageError(`${name} takes -1 or a whole number from 1 on, not ${JSON.stringify(given)}.`)
  }),
}
export const CHUNK_LOAD_FLAGS = {
  ...LOAD_FLAGS,
  ctxSize: or('LLAMA_ARG_CTX_SIZE', integer('-c --ctx-size', 'tokens of a chunk; default: 512', 4, MOST_CONTEXT)),
  ...ROPE_FLAGS,
}
const PERPLEXITY = {
  stride: integer(
    '--ppl-stride',
    'chunks overlap: the last N predictions of each count; 0: later halves; default: 0',
    0,
  ),
  outputType: choice(
    '--ppl-output-type',
    ['0', '1'],
    '1: a line for each chunk of --ppl-stride, with the tokens before it; default: 0',
  ),
}
const COMPARE = {
  base: text(
    '--kl-divergence-base --save-all-logits',
    'FILE',
    "file of a base model's log-probabilities, in llama-perplexity's format",
  ),
  compare: toggle('--kl-divergence', 'compare with --kl-divergence-base, over its text'),
  force: toggle('--force', 'replace an existing file'),
}

const flags = { ...CHUNK_FLAGS, ...PERPLEXITY, ...MODEL_FLAGS, ...CHUNK_LOAD_FLAGS, ...COMPARE, ...OTHER_FLAGS }
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
    ['Perplexity', PERPLEXITY],
    ['Comparison', COMPARE],
    ['Model', MODEL_FLAGS],
    ['Engine', CHUNK_LOAD_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria perplexity -m model.gguf -f wiki.test.raw',
    'cria perplexity -m model-f16.gguf -f wiki.test.raw --kl-divergence-base model.kld',
    'cria perplexity -m model-Q4_K_M.gguf --kl-divergence-base model.kld --kl-divergence',
  ],
  flags,
  foreign: PERPLEXITY_FOREIGN,
  environment: true,
  run,
}

async function run(values: Given, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`perplexity takes the model after -m, not ${positionals[0]}.`)
  const { compare, base, force = false, stride = 0 } = values
  if (compare) return runComparison(values, context)
  if (values.outputType === '1' && stride === 0) throw new UsageError('--ppl-output-type 1 needs --ppl-stride.')
  if (base !== undefined && stride > 0) throw new UsageError('--ppl-stride is not for --kl-divergence-base.')
  if (base !== undefined) await checkOutput(base, force, ...shardLocations(values.model ?? ''), textFile(values))
  const content = await readContent(values, 'perplexity', context.signal)
  const asked = values.ctxSize ?? DEFAULT_CONTEXT
  const ctxSize = stride > 0 ? stridedContext(asked, stride) : asked
  const model = await loadModel({ ...values, ctxSize }, context.signal)
  try {
    if (base !== undefined) await runBase(model, content, base, values, context)
    else if (stride > 0) await runStrided(model, content, { ...values, ctxSize, stride }, context)
    else await runPerplexity(model, content, ctxSize, values, context)
  } finally {
    await model.close()
  }
  return 0
}

type Content = Values<typeof CHUNK_FLAGS>

/** The text of `-f`, `-bf` or `-p`. @throws UsageError where there is none */
export async function readContent(values: Content, command: string, signal: AbortSignal): Promise<RawText> {
  const content = await readGiven(values, signal, /\n$/)
  if (content === undefined) throw new UsageError(`${command} needs a text: -f FILE.`)
  return content
}

export function textFile({ file, binaryFile }: Content): string | undefined {
  return file ?? binaryFile
}

/** As many as `--chunks` says; all where it is -1. */
export function chunksOf({ chunks = -1 }: Content): { chunks?: number } {
  return chunks < 0 ? {} : { chunks }
}

async function runPerplexity(
  model: Model,
  content: RawText,
  context: number,
  values: Given,
  { signal }: Context,
): Promise<void> {
  const { perplexity, uncertainty } = await model.perplexity(asPrompt(model, content, false), {
    context,
    ...chunksOf(values),
    onChunk: ({ index, perplexity }) => void write(`[${index + 1}]${perplexity.toFixed(4)},`),
    signal,
  })
  await write(finalEstimate(perplexity, uncertainty))
}

async function runStrided(
  model: Model,
  content: RawText,
  values: Given & { ctxSize: number; stride: number },
  { signal }: Context,
): Promise<void> {
  const { ctxSize: context, stride, outputType } = values
  const options = { context, stride, ...chunksOf(values), signal }
  let index = 0
  for await (const perplexity of stridedPerplexity(model, asPrompt(model, content, false), options)) {
    const estimate = perplexity.toFixed(4)
    await write(
      outputType === '1' ? `${String(index * stride).padStart(8)}  ${estimate}\n` : `[${index + 1}]${estimate},`,
    )
    index++
  }
  await write('\n')
}

function finalEstimate(perplexity: number, uncertainty: number): string {
  return `\nFinal estimate: PPL = ${perplexity.toFixed(4)} +/- ${uncertainty.toFixed(5)}\n`
}

async function runBase(
  model: Model,
  content: RawText,
  base: string,
  values: Given,
  { signal }: Context,
): Promise<void> {
  let index = 0
  let final = ''
  const { ctxSize = DEFAULT_CONTEXT, force = false } = values
  const options = { context: ctxSize, ...chunksOf(values), signal }
  const rows = writeBase(model, asPrompt(model, content, false), options, ({ perplexity, uncertainty }) => {
    void write(`[${++index}]${perplexity.toFixed(4)},`)
    final = finalEstimate(perplexity, uncertainty)
  })
  const size = await writeWhole(base, rows, force)
  await write(final)
  say(`${base}: ${bytes(size)}`)
}

async function runComparison(values: Given, { signal }: Context): Promise<number> {
  const { base, ctxSize } = values
  if (base === undefined) throw new UsageError('--kl-divergence needs --kl-divergence-base FILE.')
  if (textFile(values) !== undefined)
    throw new UsageError('--kl-divergence takes the text in --kl-divergence-base, not -f.')
  const source = await openFile(base)
  try {
    const { context } = await readBaseHeader(source, signal)
    if (ctxSize !== undefined && ctxSize !== context) {
      throw new UsageError(`${base} has chunks of ${context} tokens; leave -c ${ctxSize} out.`)
    }
    const model = await loadModel({ ...values, ctxSize: context }, signal)
    try {
      await write(`${DIVERGENCE_HEADER}\n`)
      const options = { ...chunksOf(values), signal }
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
