/** `cria imatrix`: the importance of each column of a model's matrices, measured on a text. */
import type { Model } from '../api/types.ts'
import { shardLocations } from '../source/shards.ts'
import type { Command, Context } from './command.ts'
import { choice, text, toggle, UsageError, type Values } from './flags.ts'
import { loadModel } from './model.ts'
import { OTHER_FLAGS, SOURCE_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { CHUNK_FLAGS, CHUNK_LOAD_FLAGS, DEFAULT_CONTEXT, readContent } from './perplexity.ts'
import { asPrompt } from './prompt.ts'
import { bytes, progressBar, type RawText, say } from './terminal.ts'

const OUTPUT = {
  out: text('-o --output --output-file', 'FILE', 'file to write; default: imatrix.gguf'),
  format: choice('--output-format', ['gguf', 'dat'], 'format of the file; dat: the one before GGUF; default: gguf'),
  processOutput: toggle('--process-output', 'measure output.weight too'),
  force: toggle('--force', 'replace an existing file'),
}

const flags = { ...CHUNK_FLAGS, ...OUTPUT, ...SOURCE_FLAGS, ...CHUNK_LOAD_FLAGS, ...OTHER_FLAGS }
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
    ['Text', CHUNK_FLAGS],
    ['Output', OUTPUT],
    ['Model', SOURCE_FLAGS],
    ['Engine', CHUNK_LOAD_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: ['cria imatrix -m model-f16.gguf -f calibration.txt -o model.imatrix.gguf'],
  flags,
  run,
}

async function run(values: Given, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`imatrix takes the model after -m, not ${positionals[0]}.`)
  const { file, out = 'imatrix.gguf', force = false, ctxSize = DEFAULT_CONTEXT } = values
  if (file === undefined) throw new UsageError('imatrix needs a text: -f FILE.')
  await checkOutput(out, force, ...shardLocations(values.model ?? ''), file)
  const content = await readContent(file, context.signal)
  const model = await loadModel({ ...values, ctxSize }, context.signal)
  try {
    const size = await writeWhole(out, measure(model, content, { ...values, file, ctxSize }, context), force)
    say(`${out}: ${bytes(size)}`)
  } finally {
    await model.close()
  }
  return 0
}

async function* measure(
  model: Model,
  content: RawText,
  { file, ctxSize, chunks, format, processOutput }: Given & { file: string; ctxSize: number },
  { signal }: Context,
): AsyncGenerator<Uint8Array> {
  const bar = progressBar('measuring')
  try {
    yield await model.imatrix(asPrompt(model, content, false), {
      context: ctxSize,
      ...(chunks !== undefined && { chunks }),
      ...(format && { format }),
      ...(processOutput && { processOutput }),
      dataset: file,
      onChunk: ({ index, total }) => bar.update({ phase: 'weights', done: index + 1, total }),
      signal,
    })
  } finally {
    bar.stop()
  }
}
