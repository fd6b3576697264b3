/** `cria quantize`: a model's weights in fewer bits. */
import { FILE_TYPES, findFileType } from '../quantize/file-types.ts'
import { quantize } from '../quantize/index.ts'
import type { QuantizeOptions } from '../quantize/quantize.ts'
import { shardLocations } from '../source/shards.ts'
import type { Command, Context } from './command.ts'
import { integerOrAuto, text, texts, toggle, UsageError, type Values } from './flags.ts'
import { OTHER_FLAGS, SOURCE_FLAGS, sourceOptions } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { bytes, progressBar, say, sayWarning } from './terminal.ts'

const TYPES = {
  pure: toggle('--pure', 'all matrices of one type, without the mix of TYPE'),
  outputTensorType: text('--output-tensor-type', 'TYPE', 'type of output.weight'),
  tokenEmbeddingType: text('--token-embedding-type', 'TYPE', 'type of token_embd.weight'),
  tensorTypes: texts('--tensor-type', 'NAME=TYPE', 'type of tensors whose names match the expression NAME; repeatable'),
  leaveOutputTensor: toggle('--leave-output-tensor', 'keep output.weight as it is'),
  imatrix: text('--imatrix', 'FILE', 'importance matrix of cria imatrix or llama-imatrix'),
  allowRequantize: toggle('--allow-requantize', 'take quantized input too; its error adds to the new one'),
}
const OUTPUT = {
  force: toggle('--force', 'replace an existing file'),
  threads: integerOrAuto(
    '-t --threads',
    'workers; default: auto, one for each core, at most 16; never changes a bit',
    1,
    64,
  ),
}
const { header, sha256, hfToken } = SOURCE_FLAGS
const SOURCE = { header, sha256, hfToken }

const NAMES = FILE_TYPES.map(({ name }) => name)

const flags = { ...TYPES, ...OUTPUT, ...SOURCE, ...OTHER_FLAGS }

export const quantizeCommand: Command<typeof flags> = {
  name: 'quantize',
  summary: "a model's weights in fewer bits",
  usage: 'quantize IN.gguf OUT.gguf TYPE [options]',
  description: [
    'Writes a GGUF model with its weights in another type, byte for byte as llama-quantize does.',
    `TYPE: ${NAMES.slice(0, 13).join(', ')},`,
    `${NAMES.slice(13).join(', ')}.`,
    'OUT appears once it is complete. IN may be a URL.',
  ],
  groups: [
    ['Types', TYPES],
    ['Output', OUTPUT],
    ['Input', SOURCE],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria quantize model-f16.gguf model-Q4_K_M.gguf Q4_K_M',
    'cria quantize model-f32.gguf model-Q2_K.gguf Q2_K --imatrix model.imatrix.gguf',
  ],
  flags,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  const [input, out, type, ...more] = positionals
  if (input === undefined || out === undefined || type === undefined || more.length > 0) {
    throw new UsageError(`quantize takes IN.gguf OUT.gguf TYPE, not ${positionals.length} arguments.`)
  }
  const file = findFileType(type)
  const { force = false } = values
  await checkOutput(out, force, ...shardLocations(input), values.imatrix)
  const bar = progressBar('quantizing')
  let before = 0
  const options: QuantizeOptions = {
    ...sourceOptions(values, input),
    ...quantizeOptions(values),
    onProgress: (progress) => {
      before = progress.total
      bar.update(progress)
    },
    onWarning: sayWarning,
    signal: context.signal,
  }
  try {
    const size = await writeWhole(out, quantize(input, type, options), force)
    bar.stop()
    say(`${out}: ${file.name}, ${bytes(size)} of ${bytes(before)}`)
  } finally {
    bar.stop()
  }
  return 0
}

function quantizeOptions(values: Values<typeof flags>): QuantizeOptions {
  const { pure, outputTensorType, tokenEmbeddingType, tensorTypes, leaveOutputTensor } = values
  const { imatrix, allowRequantize, threads } = values
  return {
    ...(pure && { pure }),
    ...(outputTensorType !== undefined && { outputTensorType }),
    ...(tokenEmbeddingType !== undefined && { tokenEmbeddingType }),
    ...(tensorTypes && { tensorTypes }),
    ...(leaveOutputTensor && { leaveOutputTensor }),
    ...(imatrix !== undefined && { imatrix }),
    ...(allowRequantize && { allowRequantize }),
    ...(threads !== undefined && { threads }),
  }
}
