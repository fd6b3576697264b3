/** `cria chat`: turns at a terminal, or one a line where something is piped in. */
import { createInterface } from 'node:readline/promises'
import type { Generation } from '../api/types.ts'
import { AbortError, ArgumentError, CriaError } from '../errors.ts'
import { isCommand, runCommand, type Talk } from './chat-commands.ts'
import { MessageReader } from './chat-input.ts'
import { ChatSession } from './chat-session.ts'
import type { Command, Context } from './command.ts'
import { choice, text, toggle, UsageError, type Values } from './flags.ts'
import { MarkdownStyler, printableText } from './markdown.ts'
import { loadModel } from './model.ts'
import {
  CHAT_FLAGS,
  chatOptions,
  GENERATE_FLAGS,
  LOAD_FLAGS,
  OTHER_FLAGS,
  SAMPLING_FLAGS,
  SOURCE_FLAGS,
} from './options.ts'
import { sayFull, saySpeed, sayTimings, stream } from './run.ts'
import { printable, say } from './terminal.ts'

const CHAT = {
  prompt: text('-p --prompt', 'TEXT', 'the first message'),
  ...CHAT_FLAGS,
  color: choice('-co --color', ['on', 'off', 'auto'], 'style Markdown; default: auto, on a terminal'),
  showTimings: toggle('--show-timings', 'print the speed after each answer'),
}

const flags = {
  ...CHAT,
  ...SOURCE_FLAGS,
  ...LOAD_FLAGS,
  ...GENERATE_FLAGS,
  ...SAMPLING_FLAGS,
  ...OTHER_FLAGS,
}

export const chatCommand: Command<typeof flags> = {
  name: 'chat',
  summary: 'conversation with a chat model',
  usage: 'chat -m FILE [options]',
  description: [
    'Holds a conversation. A pasted text is one message; """ begins and ends one of several lines, and a',
    'backslash at the end of a line continues it. Ctrl-C stops an answer and keeps its text; Ctrl-D or',
    'Ctrl-C twice leave. /help lists what begins with a slash: /set, /show, /system, /retry, /save, /load …',
    'From a pipe each line is a message or a command; the answers alone go to stdout.',
  ],
  groups: [
    ['Chat', CHAT],
    ['Model', SOURCE_FLAGS],
    ['Engine', LOAD_FLAGS],
    ['Generation', GENERATE_FLAGS],
    ['Sampling', SAMPLING_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria chat -m model.gguf -sys "You are terse."',
    'printf "Hello\\nWhat did I say?\\n" | cria chat -m model.gguf',
  ],
  flags,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`A message goes after -p: ${JSON.stringify(positionals[0])}.`)
  const { system, ...options } = chatOptions(values)
  const model = await loadModel(values, context.signal)
  try {
    const session = new ChatSession(model, options, system, values)
    if (values.verbose) say(`seed: ${session.seed}`)
    const dialog = new Dialog(session, values)
    if (process.stdin.isTTY) await dialog.atTerminal(values.prompt, context)
    else await dialog.fromPipe(values.prompt, context)
    return 0
  } finally {
    await model.close()
  }
}

class Dialog implements Talk {
  showTimings: boolean
  private readonly verbose: boolean
  private readonly styled: boolean
  private before = ''
  /** Of the answer under way, or of the next one. */
  private signal = new AbortController().signal

  constructor(
    readonly session: ChatSession,
    { verbose, showTimings, color = 'auto' }: Values<typeof flags>,
  ) {
    this.verbose = verbose ?? false
    this.showTimings = showTimings ?? false
    this.styled = color === 'on' || (color === 'auto' && process.stdout.isTTY && process.stdout.hasColors())
  }

  tell(line: string): void {
    say(line)
  }

  prepend(text: string): void {
    this.before += text.endsWith('\n') ? text : `${text}\n`
  }

  async retry(): Promise<void> {
    const generation = this.session.retry(this.signal)
    if (!generation) throw new UsageError('There is no message to answer again.')
    await this.write(generation)
  }

  async fromPipe(first: string | undefined, { signal }: Context): Promise<void> {
    this.signal = signal
    if (first !== undefined) await this.answer(first)
    for await (const line of createInterface({ input: process.stdin, terminal: false, signal })) {
      if (!(await this.take(line))) return
    }
    // Lines end without an error where they are aborted.
    signal.throwIfAborted()
  }

  async atTerminal(first: string | undefined, context: Context): Promise<void> {
    const reader = new MessageReader(process.stdin, process.stderr, '> ')
    const stop = interrupts(reader, context)
    const during = async (signal: AbortSignal, message: string): Promise<boolean> => {
      this.signal = signal
      return this.tryTake(message)
    }
    try {
      say('/help lists commands, Ctrl-C stops an answer, Ctrl-D leaves.')
      for (let message = first ?? (await reader.next()); message !== undefined; message = await reader.next()) {
        const said = message
        if (!(await stop.during((signal) => during(signal, said)))) break
      }
    } finally {
      reader.close()
      context.onInterrupt(undefined)
    }
  }

  /** Takes a line: a message, or a command. @returns whether the talk goes on */
  private async take(message: string): Promise<boolean> {
    if (!isCommand(message.trim())) {
      if (message.trim() !== '') await this.answer(message.replace(/^\/\//, '/'))
      return true
    }
    try {
      return await runCommand(this, message.trim())
    } catch (error) {
      if (!(error instanceof UsageError || error instanceof ArgumentError || isFileError(error))) throw error
      say(`cria: ${printable((error as Error).message)}`)
      return true
    }
  }

  /** An answer that fails or is stopped ends that turn, not the conversation, unless the model is lost. */
  private async tryTake(message: string): Promise<boolean> {
    try {
      return await this.take(message)
    } catch (error) {
      if (error instanceof AbortError) return true
      if (isLost(error) || !(error instanceof CriaError)) throw error
      say(`cria: ${printable(error.message)} (${error.code})`)
      return true
    }
  }

  private async answer(message: string): Promise<void> {
    const whole = this.before + message
    this.before = ''
    await this.write(this.session.send(whole, this.signal))
  }

  private async write(generation: Generation): Promise<void> {
    await stream(generation, this.style())
    const result = await generation.result()
    sayFull(result, this.session.options, this.session.model)
    if (this.showTimings) saySpeed(result)
    if (this.verbose) sayTimings(result)
  }

  /** A terminal gets no control characters of the model's. */
  private style(): { push(text: string): string; end(): string } | undefined {
    if (this.styled) return new MarkdownStyler()
    return process.stdout.isTTY ? { push: printableText, end: () => '' } : undefined
  }
}

function isFileError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall !== undefined || (error as CriaError).code === 'FILE_WRITE'
}

function isLost(error: unknown): boolean {
  return ['WorkerError', 'ClosedError'].includes((error as Error).name)
}

/** What Ctrl-C does: it stops the running answer; without one it clears the line, and the second in a row leaves. */
function interrupts(
  reader: MessageReader,
  context: Context,
): { during<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> } {
  const { lines } = reader
  let running: AbortController | undefined
  let warned = false
  const interrupt = () => {
    if (running) running.abort()
    else if (warned) lines.close()
    else {
      warned = true
      reader.clear()
      say('\nCtrl-C again or Ctrl-D leaves.')
      lines.prompt()
    }
  }
  lines.on('SIGINT', interrupt)
  lines.on('line', () => {
    warned = false
  })
  context.onInterrupt(interrupt)
  return {
    async during(run) {
      running = new AbortController()
      try {
        return await run(running.signal)
      } finally {
        running = undefined
      }
    },
  }
}
