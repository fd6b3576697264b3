/** `cria convert`: a Hugging Face folder or a llama2.c checkpoint becomes a GGUF file. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { convertHuggingFace, OUTTYPES } from '../convert/huggingface.ts'
import { convertLlama2c } from '../convert/llama2c.ts'
import { SourceError } from '../errors.ts'
import { openFile } from '../platform/files-node.ts'
import type { Command, Context } from './command.ts'
import { choice, text, toggle, UsageError, type Values } from './flags.ts'
import { CONVERT_FOREIGN } from './llama-tools.ts'
import { OTHER_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { bytes, progressBar, say, sayWarning } from './terminal.ts'

const OUTPUT = {
  outtype: choice('--outtype', OUTTYPES, 'type of the matrices; default: f16 from a folder, f32 from a checkpoint'),
  force: toggle('--force', 'replace an existing file'),
  outfile: text('--outfile', 'FILE', 'as OUT.gguf'),
  name: text('--name --model-name', 'TEXT', "general.name; default: from the folder's or the checkpoint's name"),
  license: text('--license', 'TEXT', 'general.license: an SPDX name in lower case'),
  sourceUrl: text('--source-url', 'URL', 'general.source.url: origin of the model'),
  pre: text('--pre', 'NAME', 'tokenizer.ggml.pre, for a tokenizer.json with an unknown expression'),
}

const flags = { ...OUTPUT, ...OTHER_FLAGS }

export const convertCommand: Command<typeof flags> = {
  name: 'convert',
  summary: 'a Hugging Face folder or a llama2.c checkpoint as GGUF',
  usage: 'convert DIR OUT.gguf | CHECKPOINT.bin TOKENIZER.bin OUT.gguf [options]',
  description: [
    'DIR (or a file in it) is a Hugging Face folder of LLaMA or one of its kin: Mistral, Mixtral, Qwen 2 and 3,',
    'Gemma 1 to 3, Phi-3 and 4, Granite, SmolLM3, OLMo, EXAONE 4, GLM-4 … (docs/TOOLS.md has the list). It has',
    'config.json, safetensors, tokenizer.model or tokenizer.json, tokenizer_config.json.',
    'Or a llama2.c checkpoint (version 0, 1 or 2) and its vocabulary.',
    'OUT appears once it is complete.',
  ],
  groups: [
    ['Output', OUTPUT],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria convert SmolLM2-135M-Instruct SmolLM2.gguf --outtype bf16',
    'cria convert stories15M.bin tokenizer.bin stories15M.gguf --outtype f16',
  ],
  flags,
  foreign: CONVERT_FOREIGN,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  const { outfile } = values
  const args = outfile === undefined ? positionals : [...positionals, outfile]
  if (args.length === 2) return convertFolder(values, args[0]!, args[1]!, context)
  if (args.length === 3) return convertCheckpoint(values, args as [string, string, string], context)
  const message = `convert takes DIR OUT.gguf, or CHECKPOINT.bin TOKENIZER.bin OUT.gguf, not ${args.length} arguments.`
  throw new UsageError(message)
}

async function convertFolder(
  values: Values<typeof flags>,
  input: string,
  out: string,
  { signal }: Context,
): Promise<number> {
  const { name, pre, force = false } = values
  const folder = await folderOf(input)
  const files = withWeights(await filesOf(folder), input)
  await checkOutput(out, force, ...files.values())
  const bar = progressBar('converting')
  try {
    const chunks = convertHuggingFace(files, {
      ...shared(values),
      name: name ?? titleOf(basename(folder)),
      ...(pre !== undefined && { pre }),
      onProgress: (progress) => bar.update(progress),
      onWarning: sayWarning,
      signal,
    })
    const size = await writeWhole(out, chunks, force)
    bar.stop()
    say(`${out}: ${bytes(size)}`)
  } finally {
    bar.stop()
  }
  return 0
}

/** The options that both conversions have. */
function shared({ outtype, license, sourceUrl }: Values<typeof flags>) {
  return {
    ...(outtype && { outtype }),
    ...(license !== undefined && { license }),
    ...(sourceUrl !== undefined && { source: sourceUrl }),
  }
}

/** The folder itself, or the one that holds the file. */
async function folderOf(path: string): Promise<string> {
  const kind = await stat(path).catch(() => undefined)
  if (kind) return resolve(kind.isDirectory() ? path : dirname(path))
  throw new SourceError('FILE_NOT_FOUND', `There is no folder ${path}; check the path.`, path)
}

/** Folders in the folder: of chat templates beside chat_template.jinja, and of sentence-transformers' pooling. */
const INNER = /^(additional_chat_templates|\d+_Pooling)$/

async function filesOf(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder)
  for (const inner of names.filter((name) => INNER.test(name))) {
    names.push(...(await readdir(join(folder, inner))).map((name) => `${inner}/${name}`))
  }
  return new Map(names.map((name) => [name, join(folder, name)]))
}

/** Where a file of weights is given that goes by another name than transformers', it is the model's, and the only one. */
function withWeights(files: Map<string, string>, input: string): Map<string, string> {
  const path = files.get(basename(input))
  if (path === undefined || !/^(?!model).*\.safetensors$/.test(basename(input))) return files
  const others = [...files].filter(([name]) => !/^model.*\.safetensors(\.index\.json)?$/.test(name))
  return new Map([...others, ['model.safetensors', path]])
}

/** `tiny-llama-v1.1` → `Tiny Llama v1.1`, as llama.cpp has it. */
function titleOf(folder: string): string {
  const words = folder.replaceAll('-', ' ').split(/\s+/).filter(Boolean)
  const title = (word: string) => word.replace(/[a-z]+/g, (letters) => letters[0]!.toUpperCase() + letters.slice(1))
  return words.map((word) => (/[A-Z]|^v\d+(\.\d+)*$|^\d/.test(word) ? word : title(word))).join(' ')
}

async function convertCheckpoint(
  values: Values<typeof flags>,
  [checkpointPath, tokenizerPath, out]: [string, string, string],
  { signal }: Context,
): Promise<number> {
  const { name = basename(checkpointPath, extname(checkpointPath)), outtype = 'f32', force = false } = values
  if (outtype !== 'f32' && outtype !== 'f16') {
    throw new UsageError(`A llama2.c checkpoint becomes f32 or f16, not ${outtype}; cria quantize does the rest.`)
  }
  if (values.pre !== undefined) throw new UsageError('--pre is for Hugging Face folders.')
  await checkOutput(out, force, checkpointPath, tokenizerPath)
  const checkpoint = await openFile(checkpointPath)
  try {
    const options = { ...shared(values), name, outtype, signal }
    const size = await writeWhole(out, convertLlama2c(checkpoint, await readFile(tokenizerPath), options), force)
    say(`${out}: ${bytes(size)}`)
  } finally {
    await checkpoint.close()
  }
  return 0
}
