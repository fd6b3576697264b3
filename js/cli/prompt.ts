/** Where a prompt comes from: `-p`, `-f`, or what is piped in. */
import type { Model } from '../api/types.ts'
import { either, text, UsageError, type Values } from './flags.ts'
import type { GENERATE_FLAGS, SAMPLING_FLAGS } from './options.ts'
import { type RawText, rawText, readStdin, readText, say, shown, withoutLineEnd } from './terminal.ts'

export const ESCAPE = either(
  '-e --escape',
  '--no-escape',
  String.raw`read \n, \t, \\, \', \", \xHH as characters; default: no`,
)

export const PROMPT_FLAGS = {
  prompt: text('-p --prompt', 'TEXT', 'the prompt; default: stdin, if it is a pipe'),
  file: text('-f --file', 'FILE', 'file with the prompt; -: stdin'),
  binaryFile: text('-bf --binary-file', 'FILE', 'as --file, with its last line end'),
  escape: ESCAPE,
}

/** Milliseconds that a bare `cria` waits for a pipe to give something. */
const PATIENCE = 2000

/**
 * The prompt, undefined where none is given.
 * @param patient wait for stdin as long as it takes
 */
export async function readPrompt(
  values: Values<typeof PROMPT_FLAGS>,
  signal: AbortSignal,
  patient: boolean,
): Promise<RawText | undefined> {
  const given = await readGiven(values, signal)
  if (given !== undefined) return given
  const piped = await readPiped(signal, patient)
  return piped === undefined ? undefined : unescaped(values, withoutLineEnd(piped))
}

type Given = Values<typeof PROMPT_FLAGS>

/** The text of `-p`, `-f` or `-bf`. An editor's last line end is no part of it; llama.cpp drops it too. */
export async function readGiven(values: Given, signal: AbortSignal, lineEnd?: RegExp): Promise<RawText | undefined> {
  const { prompt, file, binaryFile } = values
  const given = Object.entries({ '--prompt': prompt, '--file': file, '--binary-file': binaryFile })
  const [first, second] = given.filter(([, value]) => value !== undefined)
  if (!first) return undefined
  if (second) throw new UsageError(`Give ${first[0]} or ${second[0]}, not both.`)
  if (prompt !== undefined) return unescaped(values, prompt)
  const whole = await readText(file ?? binaryFile!, signal)
  return unescaped(values, file === undefined ? whole : withoutLineEnd(whole, lineEnd))
}

function unescaped(values: Given, text: RawText): RawText {
  return values.escape ? readEscapes(text) : text
}

/** The values, with the escapes of `-r` and `--dry-sequence-breaker` read where `-e` asks for it. */
export function withEscapesRead<T extends EscapedValues>(values: T): T {
  const { escape: read, reversePrompt, drySequenceBreaker } = values
  if (!read) return values
  const all = (texts: readonly string[]): string[] => texts.map((text) => shown(readEscapes(text)))
  return {
    ...values,
    ...(reversePrompt && { reversePrompt: all(reversePrompt) }),
    ...(drySequenceBreaker && { drySequenceBreaker: all(drySequenceBreaker) }),
  }
}

type EscapedValues = Values<
  Pick<typeof PROMPT_FLAGS, 'escape'> &
    Pick<typeof GENERATE_FLAGS, 'reversePrompt'> &
    Pick<typeof SAMPLING_FLAGS, 'drySequenceBreaker'>
>

/** Bytes that are no UTF-8 become ids. @param special parse special tokens */
export function asPrompt(model: Model, text: RawText, special: boolean): string | number[] {
  return typeof text === 'string' ? text : model.tokenize(text, { special })
}

async function readPiped(signal: AbortSignal, patient: boolean): Promise<RawText | undefined> {
  if (process.stdin.isTTY) return undefined
  if (patient) return readStdin(signal)
  const piped = await readStdin(signal, PATIENCE)
  if (piped === undefined) {
    say(`cria: stdin gave nothing for ${PATIENCE / 1000} s; continuing without a prompt. \`cria run\` would wait.`)
  }
  return piped
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', "'": "'", '"': '"', '\\': '\\' }

/** Escapes as llama.cpp reads them; others stay as they are. */
export function readEscapes(text: RawText): RawText {
  const bytes = Buffer.from(text as string).toString('latin1')
  const read = bytes.replace(/\\x([0-9a-fA-F]{2})|\\([nrt'"\\])/g, (_, hex?: string, letter?: string) =>
    hex === undefined ? ESCAPES[letter!]! : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return rawText(Buffer.from(read, 'latin1'))
}
