/** `cria imatrix`: the importance of each column of a model's matrices, measured on a text. */
import type { Model } from '../api/types.ts'
import { shardLocations } from '../source/shards.ts'
import type { Command, Context } from './command.ts'
import { choice, integer, text, toggle, UsageError, type Values } from './flags.ts'
import { IMATRIX_FOREIGN } from './llama-tools.ts'
import { loadModel, MODEL_FLAGS } from './model.ts'
import { OTHER_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { CHUNK_FLAGS, CHUNK_LOAD_FLAGS, chunksOf, DEFAULT_CONTEXT, readContent, textFile } from './perplexity.ts'
import { asPrompt } from './prompt.ts'
import { bytes, progressBar, type RawText, say } from './terminal.ts'

const OUTPUT = {
  out: text('-o --output --output-file', 'FILE', 'file to write; default: imatrix.gguf'),
  format: choice('--output-format', ['gguf', 'dat'], 'format of the file; dat: the one before GGUF; default: gguf'),
  processOutput: toggle('--process-output', 'measure output.weight too'),
  force: toggle('--force', 'replace an existing file'),
}

const TEXT = {
  ...CHUNK_FLAGS,
  firstChunk: integer('--chunk --from-chunk', 'chunks to leave out at the beginning; default: 0', 0),
  parseSpecial: toggle('--parse-special', 'read special tokens in the text as such'),
}

const flags = { ...TEXT, ...OUTPUT, ...MODEL_FLAGS, ...CHUNK_LOAD_FLAGS, ...OTHER_FLAGS }
type Given = Values<typeof flags>

export const imatrixCommand: Command<typeof flags> = {
  name: 'imatrix',
  summary: 'importance matrix of a model, for quantize',
  usage: 'imatrix -m FILE -f TEXT [-o FILE] [options]',
  description: [
    "Follows llama-imatrix's protocol: chunks of the text, each computed alone with BOS first. The",
    'squares of the activations that a matrix reads add up column by column, for quantize --imatrix.',
  ],
  groups: [
    ['Text', TEXT],
    ['Output', OUTPUT],
    ['Model', MODEL_FLAGS],
    ['Engine', CHUNK_LOAD_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: ['cria imatrix -m model-f16.gguf -f calibration.txt -o model.imatrix.gguf'],
  flags,
  foreign: IMATRIX_FOREIGN,
  environment: true,
  run,
}

async function run(values: Given, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`imatrix takes the model after -m, not ${positionals[0]}.`)
  const { out = 'imatrix.gguf', force = false, ctxSize = DEFAULT_CONTEXT } = values
  await checkOutput(out, force, ...shardLocations(values.model ?? ''), textFile(values))
  const content = await readContent(values, 'imatrix', context.signal)
  const model = await loadModel({ ...values, ctxSize }, context.signal)
  try {
    const size = await writeWhole(out, measure(model, content, { ...values, ctxSize }, context), force)
    say(`${out}: ${bytes(size)}`)
  } finally {
    await model.close()
  }
  return 0
}

async function* measure(
  model: Model,
  content: RawText,
  values: Given & { ctxSize: number },
  { signal }: Context,
): AsyncGenerator<Uint8Array> {
  const { ctxSize, format, processOutput } = values
  const bar = progressBar('measuring')
  try {
    yield await model.imatrix(promptOf(model, content, values), {
      context: ctxSize,
      ...chunksOf(values),
      ...(format && { format }),
      ...(processOutput && { processOutput }),
      dataset: textFile(values) ?? '',
      onChunk: ({ index, total }) => bar.update({ phase: 'weights', done: index + 1, total }),
      signal,
    })
  } finally {
    bar.stop()
  }
}

/** The text, or its ids where special tokens are read in it, or chunks left out. */
function promptOf(
  model: Model,
  content: RawText,
  { firstChunk = 0, parseSpecial, ctxSize }: Given & { ctxSize: number },
): string | number[] {
  if (!parseSpecial && firstChunk === 0) return asPrompt(model, content, false)
  const ids = model.tokenize(content, { special: parseSpecial ?? false })
  if ((firstChunk + 2) * ctxSize < ids.length || firstChunk === 0) return ids.slice(firstChunk * ctxSize)
  throw new UsageError(
    `The text has ${ids.length} tokens: without ${firstChunk} chunks of ${ctxSize} too few are left.`,
  )
}
