/** stdin, stdout and stderr: text on stdout only, everything else on stderr. */
import { isUtf8 } from 'node:buffer'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import Bar from 'progress'
import type { Progress } from '../api/types.ts'
import { inFlags } from './in-flags.ts'

/** Milliseconds that loading may take before a progress bar shows. */
const PATIENCE = 300

/** Writes to stdout; resolves when more may be written. */
export async function write(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

/** One line on stderr. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

export function sayWarning(warning: { message: string }): void {
  say(`cria: warning: ${printable(inFlags(warning.message))}`)
}

/** A text as its user has it: bytes where they are no UTF-8. */
export type RawText = string | Uint8Array

/** A file's text; `-` is stdin. */
export async function readText(path: string, signal: AbortSignal): Promise<RawText> {
  return path === '-' ? ((await readStdin(signal)) ?? '') : rawText(await readFile(path, { signal }))
}

/** Bytes as a text, if they are one. */
export function rawText(bytes: Uint8Array): RawText {
  return isUtf8(bytes) ? Buffer.from(bytes).toString('utf8') : bytes
}

/** What is no UTF-8 becomes U+FFFD. */
export function shown(text: RawText): string {
  return typeof text === 'string' ? text : Buffer.from(text).toString('utf8')
}

/** Without the line end that editors and echo put last. */
export function withoutLineEnd(text: RawText, lineEnd = /\r?\n$/): RawText {
  if (typeof text === 'string') return text.replace(lineEnd, '')
  return rawText(Buffer.from(Buffer.from(text).toString('latin1').replace(lineEnd, ''), 'latin1'))
}

/**
 * All of stdin, or undefined where `patience` milliseconds pass before it gives anything: some programs leave the pipe
 * of a child open that they never write to.
 */
export async function readStdin(signal: AbortSignal, patience?: number): Promise<RawText | undefined> {
  const { stdin } = process
  const chunks: Buffer[] = []
  let late = false
  const giveUp = () => {
    late = true
    stdin.destroy()
  }
  const timer = patience === undefined ? undefined : setTimeout(giveUp, patience)
  addAbortSignal(signal, stdin)
  try {
    for await (const chunk of stdin) {
      clearTimeout(timer)
      chunks.push(chunk)
    }
  } catch (error) {
    if (!late) throw error
  } finally {
    clearTimeout(timer)
  }
  return late ? undefined : rawText(Buffer.concat(chunks))
}

/** A bar on a terminal for what takes long, which begins with `what` is done; `stop` takes it away. */
export function progressBar(what = 'loading'): { update(progress: Progress): void; stop(): void } {
  const start = performance.now()
  let bar: Bar | undefined
  return {
    update({ phase, done, total }) {
      if ((phase !== 'weights' && phase !== 'download') || !process.stderr.isTTY) return
      const last = done >= total
      // A download has another total than the weights that follow it.
      if (bar && bar.total !== total) bar.total = total
      if (!bar && !last && performance.now() - start > PATIENCE) {
        bar = new Bar(`${what} [:bar] :percent of :size, :etas left`, { total, width: 40, clear: true })
      }
      if (bar && !bar.complete) bar.update(done / total, { size: bytes(total) })
    },
    stop() {
      if (bar && !bar.complete) bar.terminate()
    },
  }
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = count / 1024
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g

/** Text from a file or server, with control characters escaped: they could steer the terminal. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0)
    return character === '\n' ? '\\n' : character === '\t' ? '\\t' : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** Rows in columns, each `l`eft or `r`ight aligned. */
export function table(rows: string[][], alignment: string): string[] {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)), [])
  return rows.map((row) => {
    const cells = row.map((cell, i) => (alignment[i] === 'r' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
    return `  ${cells.join('  ')}`.trimEnd()
  })
}
