/** Where a prompt comes from: `-p`, `-f`, or what is piped in. */
import type { Model } from '../api/types.ts'
import { text, toggle, UsageError, type Values } from './flags.ts'
import { type RawText, rawText, readStdin, readText, say, withoutLineEnd } from './terminal.ts'

export const PROMPT_FLAGS = {
  prompt: text('-p --prompt', 'TEXT', 'the prompt; default: stdin, if it is a pipe'),
  file: text('-f --file', 'FILE', 'file with the prompt; -: stdin'),
  escape: toggle('-e --escape', String.raw`read \n, \t, \\, \', \", \xHH in the prompt as characters`),
  noEscape: toggle('--no-escape', 'keep backslashes literal; the default'),
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
  const { prompt, file } = values
  if (prompt !== undefined && file !== undefined) throw new UsageError('Give --prompt or --file, not both.')
  if (values.escape && values.noEscape) throw new UsageError('Give --escape or --no-escape, not both.')
  const given = prompt ?? (file === undefined ? await readPiped(signal, patient) : await readText(file, signal))
  // An editor's or echo's last line end is no part of the prompt; llama.cpp drops it too.
  const trimmed = prompt === undefined && given !== undefined ? withoutLineEnd(given) : given
  return values.escape && trimmed !== undefined ? readEscapes(trimmed) : trimmed
}

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
