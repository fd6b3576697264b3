/** `cria convert`: a llama2.c checkpoint becomes a GGUF file. */
import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { convertLlama2c } from '../convert/llama2c.ts'
import { openFile } from '../platform/files-node.ts'
import type { Command, Context } from './command.ts'
import { choice, text, toggle, UsageError, type Values } from './flags.ts'
import { OTHER_FLAGS } from './options.ts'
import { refuseExisting, writeWhole } from './output.ts'
import { bytes, say } from './terminal.ts'

const OUTPUT = {
  outtype: choice('--outtype', ['f32', 'f16'], 'type of the matrices; default: f32'),
  force: toggle('--force', 'replace the file where it exists'),
  name: text('--name', 'TEXT', "general.name; default: the checkpoint's file name"),
  license: text('--license', 'TEXT', 'general.license: an SPDX name in lower case'),
  sourceUrl: text('--source-url', 'URL', 'general.source.url: where the checkpoint came from'),
}

const flags = { ...OUTPUT, ...OTHER_FLAGS }

export const convertCommand: Command<typeof flags> = {
  name: 'convert',
  summary: 'a llama2.c checkpoint as GGUF',
  usage: 'convert CHECKPOINT.bin TOKENIZER.bin OUT.gguf [options]',
  description: [
    'Writes a llama2.c checkpoint (version 0 or 1, f32) and its vocabulary as one GGUF file.',
    'The file appears under its name only when it is complete.',
  ],
  groups: [
    ['Output', OUTPUT],
    ['Other', OTHER_FLAGS],
  ],
  examples: ['cria convert stories15M.bin tokenizer.bin stories15M.gguf --outtype f16'],
  flags,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  const [checkpointPath, tokenizerPath, out, ...more] = positionals
  if (checkpointPath === undefined || tokenizerPath === undefined || out === undefined || more.length > 0) {
    throw new UsageError(`convert takes CHECKPOINT.bin TOKENIZER.bin OUT.gguf, not ${positionals.length} arguments.`)
  }
  const { outtype = 'f32', name = basename(checkpointPath, extname(checkpointPath)), license, sourceUrl } = values
  if (!values.force) await refuseExisting(out)
  const checkpoint = await openFile(checkpointPath)
  try {
    const chunks = convertLlama2c(checkpoint, await readFile(tokenizerPath), {
      outtype,
      name,
      ...(license !== undefined && { license }),
      ...(sourceUrl !== undefined && { source: sourceUrl }),
      signal: context.signal,
    })
    const size = await writeWhole(out, chunks, values.force ?? false)
    say(`${out}: ${bytes(size)}`)
  } finally {
    await checkpoint.close()
  }
  return 0
}
