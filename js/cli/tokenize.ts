/** `cria tokenize`: a text's tokens, printed as llama-tokenize prints them. */
import { loadTokenizer } from '../api/header.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Command, Context } from './command.ts'
import { text, toggle, UsageError, type Values } from './flags.ts'
import { TOKENIZE_FOREIGN } from './llama-tools.ts'
import { MODEL_FLAGS } from './model.ts'
import { OTHER_FLAGS } from './options.ts'
import { ESCAPE, readEscapes } from './prompt.ts'
import { findInput } from './source.ts'
import { type RawText, readStdin, readText, say, sayWarning, write } from './terminal.ts'

const TEXT = {
  prompt: text('-p --prompt', 'TEXT', 'the text'),
  file: text('-f --file -bf --binary-file', 'FILE', 'file with the text'),
  stdin: toggle('--stdin', 'read the text from stdin; the default if stdin is a pipe'),
  escape: ESCAPE,
  noBos: toggle('--no-bos', 'add neither BOS nor EOS'),
  noParseSpecial: toggle('--no-parse-special', 'read special tokens in the text as plain text'),
}
const OUTPUT = {
  ids: toggle('--ids', 'print the ids alone, as [1, 2, 3]'),
  showCount: toggle('--show-count', 'print the number of tokens too'),
  json: toggle('--json', 'one JSON object: ids and pieces'),
}

const flags = { ...TEXT, ...MODEL_FLAGS, ...OUTPUT, ...OTHER_FLAGS }

export const tokenizeCommand: Command<typeof flags> = {
  name: 'tokenize',
  summary: 'tokens of a text, as llama-tokenize prints them',
  usage: 'tokenize -m FILE [options]',
  description: ['Prints the tokens of a text, byte for byte, one on each line: id and piece.'],
  groups: [
    ['Text', TEXT],
    ['Model', MODEL_FLAGS],
    ['Output', { ...OUTPUT, ...OTHER_FLAGS }],
  ],
  examples: ['cria tokenize -m model.gguf -p "Hello world"', 'cria tokenize -m model.gguf -f text.txt --ids --no-bos'],
  flags,
  foreign: TOKENIZE_FOREIGN,
  environment: true,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`The text goes after -p: ${JSON.stringify(positionals[0])}.`)
  const { location, options: source } = await findInput(values, context.signal)
  const options = { ...source, onWarning: sayWarning }
  const given = await readGiven(values, context.signal)
  const tokenizer = await loadTokenizer(location, { ...options, signal: context.signal })
  const ids = tokenizer.tokenize(values.escape ? readEscapes(given) : given, {
    special: !values.noParseSpecial,
    ...(values.noBos && { bos: false }),
  })
  if (values.json) await write(`${JSON.stringify({ ids, pieces: ids.map((id) => piece(tokenizer, id).toString()) })}\n`)
  else if (values.ids) await write(`[${ids.join(', ')}]\n`)
  else await write(Buffer.concat(ids.map((id) => line(tokenizer, id))))
  if (values.showCount && !values.json) await write(`Total number of tokens: ${ids.length}\n`)
  if (values.verbose) say(`tokenizer: ${tokenizer.kind}, ${tokenizer.vocabularySize} tokens`)
  return 0
}

async function readGiven(values: Values<typeof flags>, signal: AbortSignal): Promise<RawText> {
  const { prompt, file, stdin } = values
  if ([prompt, file, stdin].filter((source) => source !== undefined).length > 1) {
    throw new UsageError('Give one of --prompt, --file and --stdin.')
  }
  if (prompt !== undefined) return prompt
  if (file !== undefined) return readText(file, signal)
  if (!stdin && process.stdin.isTTY) throw new UsageError('Give a text: --prompt, --file, --stdin, or pipe it in.')
  return (await readStdin(signal)) ?? ''
}

/** Bytes, since a token may hold part of a character. */
function line(tokenizer: Tokenizer, id: number): Buffer {
  return Buffer.concat([Buffer.from(`${String(id).padStart(6)} -> '`), piece(tokenizer, id), Buffer.from("'\n")])
}

function piece(tokenizer: Tokenizer, id: number): Buffer {
  return Buffer.from(tokenizer.tokenBytes(id, { special: true }))
}
