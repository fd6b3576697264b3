/** Messages as they are typed or pasted. */

import { createInterface, type Interface } from 'node:readline'
import type { ReadStream } from 'node:tty'
import { COMMAND_NAMES } from './chat-commands.ts'
import { say } from './terminal.ts'

const QUOTES = '"""'
/** Terminals that know bracketed paste put marks around what is pasted, once they are asked to. */
const PASTE = { on: '\x1b[?2004h', off: '\x1b[?2004l' }

/**
 * Reads messages at a terminal: a line each. One of several lines is pasted, begun and ended by `"""`, or continued by a
 * backslash at the end of a line.
 */
export class MessageReader {
  readonly lines: Interface
  private readonly waiting: string[] = []
  private wake: (() => void) | undefined
  private closed = false
  /** The lines of a message that has not ended. */
  private begun: string[] = []
  private pasting = false
  private quoted = false

  constructor(
    input: ReadStream,
    private readonly output: NodeJS.WriteStream,
    private readonly prompt: string,
  ) {
    this.lines = createInterface({ input, output, prompt, completer: complete })
    // The interface has asked for these events first: a line is told before the key that follows it.
    input.on('keypress', this.keyed)
    this.lines.on('line', (line) => this.add(line))
    this.lines.once('close', () => this.end())
    output.write(PASTE.on)
  }

  private readonly keyed = (_: unknown, key: { name?: string } | undefined): void => {
    if (key?.name === 'paste-start') this.pasting = true
    if (key?.name === 'paste-end') this.pasting = false
  }

  private add(line: string): void {
    if (!this.pasting && this.begun.length === 0 && line.startsWith(QUOTES)) {
      this.quoted = true
      if (!this.ends(line.slice(QUOTES.length))) this.ask()
    } else if (!this.ends(line) && !this.pasting) this.ask()
  }

  /** Adds a line to the message that is typed. @returns whether the message ends with it */
  private ends(line: string): boolean {
    const closing = this.quoted && line.trimEnd().endsWith(QUOTES)
    const continued = !this.quoted && !this.pasting && line.endsWith('\\')
    if (closing) this.begun.push(line.trimEnd().slice(0, -QUOTES.length))
    else this.begun.push(continued ? line.slice(0, -1) : line)
    if (continued || this.pasting || (this.quoted && !closing)) return false
    // Quotes on lines of their own add no empty ones.
    const lines = this.quoted ? trimEnds(this.begun) : this.begun
    this.begun = []
    this.quoted = false
    this.waiting.push(lines.join('\n'))
    this.wake?.()
    return true
  }

  private end(): void {
    this.closed = true
    this.wake?.()
  }

  private ask(): void {
    this.lines.setPrompt(this.begun.length === 0 ? this.prompt : '… ')
    this.lines.prompt()
  }

  /** The next message; undefined where there is none. */
  async next(): Promise<string | undefined> {
    this.ask()
    while (this.waiting.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    const message = this.waiting.shift()
    if (message === undefined) say('')
    return message
  }

  /** Forgets what was typed of a message. */
  clear(): void {
    this.begun = []
    this.quoted = false
    this.lines.write(null, { ctrl: true, name: 'u' })
  }

  close(): void {
    this.lines.close()
    process.stdin.off('keypress', this.keyed)
    this.output.write(PASTE.off)
  }
}

function trimEnds(lines: string[]): string[] {
  return lines.slice(lines[0] === '' ? 1 : 0, lines.at(-1) === '' ? -1 : undefined)
}

function complete(line: string): [string[], string] {
  return [line.startsWith('/') ? COMMAND_NAMES.filter((name) => name.startsWith(line)) : [], line]
}
