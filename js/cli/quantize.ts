/** `cria quantize`: a model's weights in fewer bits. */
import { rm } from 'node:fs/promises'
import { shardName } from '../gguf/rewrite.ts'
import { FILE_TYPES, findFileType, isFileType } from '../quantize/file-types.ts'
import { type QuantizeOptions, quantizeFiles } from '../quantize/quantize.ts'
import { shardLocations } from '../source/shards.ts'
import type { Command, Context } from './command.ts'
import { list, text, texts, threads, toggle, UsageError, type Values } from './flags.ts'
import { onHub } from './hub.ts'
import { QUANTIZE_FOREIGN } from './llama-tools.ts'
import { OTHER_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { readOverride } from './overrides.ts'
import { INPUT_FLAGS, sourceOptions } from './source.ts'
import { bytes, progressBar, readText, say, sayWarning, shown } from './terminal.ts'

const TYPES = {
  pure: toggle('--pure', 'all matrices of one type, without the mix of TYPE'),
  outputTensorType: text('--output-tensor-type', 'TYPE', 'type of output.weight'),
  tokenEmbeddingType: text('--token-embedding-type', 'TYPE', 'type of token_embd.weight'),
  tensorTypes: texts('--tensor-type', 'NAME=TYPE', 'type of tensors whose names match the expression NAME; repeatable'),
  tensorTypeFile: text('--tensor-type-file', 'FILE', 'file of NAME=TYPE, separated by white space'),
  leaveOutputTensor: toggle('--leave-output-tensor', 'keep output.weight as it is'),
  imatrix: text('--imatrix', 'FILE', 'importance matrix of cria imatrix or llama-imatrix'),
  allowRequantize: toggle('--allow-requantize', 'take quantized input too; its error adds to the new one'),
}
const OUTPUT = {
  force: toggle('--force', 'replace an existing file'),
  keepSplit: toggle('--keep-split', 'as many shards as IN has, OUT-00001-of-0000N.gguf and so on'),
  overrideKv: list(
    '--override-kv',
    'KEY=TYPE:VALUE',
    'metadata to write; TYPE: int, float, bool, str; repeatable',
    readOverride,
  ),
  threads: threads('workers; default: auto, one for each core, at most 16; never changes a bit'),
}

const NAMES = FILE_TYPES.map(({ name }) => name)

const flags = { ...TYPES, ...OUTPUT, ...INPUT_FLAGS, ...OTHER_FLAGS }

export const quantizeCommand: Command<typeof flags> = {
  name: 'quantize',
  summary: "a model's weights in fewer bits",
  usage: 'quantize IN.gguf [OUT.gguf] TYPE [THREADS] [options]',
  description: [
    'Writes a GGUF model with its weights in another type, byte for byte as llama-quantize does.',
    `TYPE: ${NAMES.slice(0, 13).join(', ')},`,
    `${NAMES.slice(13).join(', ')}.`,
    'OUT appears once it is complete; without it, it is ggml-model-TYPE.gguf beside IN. IN may be a URL.',
  ],
  groups: [
    ['Types', TYPES],
    ['Output', OUTPUT],
    ['Input', INPUT_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria quantize model-f16.gguf model-Q4_K_M.gguf Q4_K_M',
    'cria quantize model-f32.gguf model-Q2_K.gguf Q2_K --imatrix model.imatrix.gguf',
  ],
  flags,
  foreign: QUANTIZE_FOREIGN,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  const { input, out, type, threads } = readArguments(positionals)
  const file = findFileType(type)
  const location = onHub(input)
  const bar = progressBar('quantizing')
  let before = 0
  const options: QuantizeOptions = {
    ...sourceOptions(values, location),
    ...(await quantizeOptions({ ...values, threads: values.threads ?? threads }, context.signal)),
    onProgress: (progress) => {
      before = progress.total
      bar.update(progress)
    },
    onWarning: sayWarning,
    signal: context.signal,
  }
  const { force = false, keepSplit = false, imatrix } = values
  const inputs = [...shardLocations(input), imatrix]
  if (!keepSplit) await checkOutput(out, force, ...inputs)
  const written: string[] = []
  try {
    for await (const { index, count, chunks } of quantizeFiles(location, type, options, keepSplit)) {
      const path = keepSplit ? shardName(out.replace(/\.gguf$/, ''), index, count) : out
      if (keepSplit) await checkOutput(path, force, ...inputs)
      const size = await writeWhole(path, chunks, force)
      written.push(path)
      bar.stop()
      say(`${path}: ${file.name}, ${bytes(size)} of ${bytes(before)}`)
    }
  } catch (error) {
    // All of the files, or none.
    await Promise.all(written.map((path) => rm(path, { force: true })))
    throw error
  } finally {
    bar.stop()
  }
  return 0
}

/** `IN [OUT] TYPE [THREADS]`, as llama-quantize takes them: without OUT it is ggml-model-TYPE.gguf beside IN. */
function readArguments(positionals: readonly string[]): { input: string; out: string; type: string; threads?: number } {
  const [input, second, third, ...more] = positionals
  if (input === undefined || second === undefined) throw wrongArguments(positionals)
  const named = isFileType(second) && (third === undefined || /^\d+$/.test(third))
  const [type, threads, rest] = named ? [second, third, more] : [third, more[0], more.slice(1)]
  if (type === undefined || rest.length > 0 || (threads !== undefined && !/^\d+$/.test(threads))) {
    throw wrongArguments(positionals)
  }
  const beside = input.slice(0, input.lastIndexOf('/') + 1)
  const out = named ? `${beside}ggml-model-${findFileType(type).name}.gguf` : second
  return { input, out, type, ...(threads !== undefined && { threads: Number(threads) }) }
}

function wrongArguments({ length }: readonly string[]): UsageError {
  return new UsageError(
    `quantize takes IN.gguf OUT.gguf TYPE or IN.gguf TYPE, and a number of threads, not ${length} arguments.`,
  )
}

async function quantizeOptions(
  values: Omit<Values<typeof flags>, 'threads'> & { threads: number | 'auto' | undefined },
  signal: AbortSignal,
): Promise<QuantizeOptions> {
  const { pure, outputTensorType, tokenEmbeddingType, tensorTypeFile, leaveOutputTensor, overrideKv } = values
  const { imatrix, allowRequantize, threads } = values
  const listed = tensorTypeFile === undefined ? '' : shown(await readText(tensorTypeFile, signal))
  const tensorTypes = [...(values.tensorTypes ?? []), ...listed.split(/\s+/).filter(Boolean)]
  return {
    ...(pure && { pure }),
    ...(outputTensorType !== undefined && { outputTensorType }),
    ...(tokenEmbeddingType !== undefined && { tokenEmbeddingType }),
    ...(tensorTypes.length > 0 && { tensorTypes }),
    ...(overrideKv && { overrides: Object.fromEntries(overrideKv.map(({ key, ...typed }) => [key, typed])) }),
    ...(leaveOutputTensor && { leaveOutputTensor }),
    ...(imatrix !== undefined && { imatrix }),
    ...(allowRequantize && { allowRequantize }),
    ...(threads !== undefined && { threads }),
  }
}
