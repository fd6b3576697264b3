/** `cria chat`: turns at a terminal, or one a line where something is piped in. */
import { createInterface } from 'node:readline/promises'
import type { Generation } from '../api/types.ts'
import { AbortError, ArgumentError, CriaError } from '../errors.ts'
import { isCommand, runCommand, type Talk } from './chat-commands.ts'
import { MessageReader } from './chat-input.ts'
import { ChatSession } from './chat-session.ts'
import type { Command, Context } from './command.ts'
import { choice, either, or, text, toggle, UsageError, type Values } from './flags.ts'
import { neutral, refused } from './foreign.ts'
import { GRAMMAR_FLAGS, grammarOptions } from './grammar.ts'
import { inFlags } from './in-flags.ts'
import { TERMINAL } from './llama-flags.ts'
import { MarkdownStyler, printableText } from './markdown.ts'
import { CHAT_FLAGS, chatOptions, withVariables } from './messages.ts'
import { KEEP_FLAGS, loadModel, MODEL_FLAGS } from './model.ts'
import { GENERATE_FLAGS, LOAD_FLAGS, OTHER_FLAGS, SAMPLING_FLAGS } from './options.ts'
import { PROMPT_FLAGS, readGiven, withEscapesRead } from './prompt.ts'
import { ROPE_FLAGS } from './rope.ts'
import { sayFull, saySpeed, sayTimings, stream } from './run.ts'
import { printable, say } from './terminal.ts'

const CHAT = {
  ...PROMPT_FLAGS,
  prompt: text('-p --prompt', 'TEXT', 'the first message'),
  singleTurn: toggle('-st --single-turn', 'leave after the first answer'),
  ...CHAT_FLAGS,
  color: choice('-co --color', ['on', 'off', 'auto'], 'style Markdown; default: auto, on a terminal'),
  showTimings: or(
    'LLAMA_ARG_SHOW_TIMINGS',
    either('--show-timings', '--no-show-timings', 'print the speed after each answer; default: no'),
  ),
}

const flags = {
  ...CHAT,
  ...MODEL_FLAGS,
  ...KEEP_FLAGS,
  ...LOAD_FLAGS,
  ...ROPE_FLAGS,
  ...GENERATE_FLAGS,
  ...SAMPLING_FLAGS,
  ...GRAMMAR_FLAGS,
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
    ['Model', { ...MODEL_FLAGS, ...KEEP_FLAGS }],
    ['Engine', LOAD_FLAGS],
    ['Rotation', ROPE_FLAGS],
    ['Generation', GENERATE_FLAGS],
    ['Sampling', SAMPLING_FLAGS],
    ['Grammar', GRAMMAR_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria chat -m model.gguf -sys "You are terse."',
    'printf "Hello\\nWhat did I say?\\n" | cria chat -m model.gguf',
  ],
  flags,
  foreign: [
    ...TERMINAL,
    ...neutral('cria chat is a conversation', '-cnv --conversation', '-i --interactive', '-if --interactive-first'),
    ...neutral('a pasted text is one message', '-mli --multiline-input'),
    ...neutral('cria chat shows answers and messages as they are', '--display-prompt --no-display-prompt'),
    ...refused('cria run continues texts', '-no-cnv --no-conversation'),
    ...refused('a template frames what is said', '--in-prefix:1', '--in-suffix:1', '--in-prefix-bos'),
  ],
  environment: true,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`A message goes after -p: ${JSON.stringify(positionals[0])}.`)
  const { system, ...options } = await chatOptions(values, context.signal)
  const constraint = await grammarOptions(values, context.signal)
  const first = await readGiven(values, context.signal)
  if (first !== undefined && typeof first !== 'string') throw new UsageError('A message must be UTF-8.')
  const model = await loadModel(values, context.signal)
  try {
    const session = new ChatSession(
      model,
      { ...withVariables(options, model), ...constraint },
      system,
      withEscapesRead(values),
    )
    if (values.verbose) say(`seed: ${session.seed}`)
    const dialog = new Dialog(session, values)
    if (process.stdin.isTTY) await dialog.atTerminal(first, context)
    else await dialog.fromPipe(first, context)
    return 0
  } finally {
    await model.close()
  }
}

class Dialog implements Talk {
  showTimings: boolean
  private readonly verbose: boolean
  private readonly styled: boolean
  /** Leave after an answer. */
  private readonly once: boolean
  private before = ''
  /** Of the answer under way, or of the next one. */
  private signal = new AbortController().signal

  constructor(
    readonly session: ChatSession,
    { verbose, showTimings, singleTurn, color = 'auto' }: Values<typeof flags>,
  ) {
    this.once = singleTurn ?? false
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
    if (first !== undefined && this.once) return
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
      if (message.trim() === '') return true
      await this.answer(message.replace(/^\/\//, '/'))
      return !this.once
    }
    try {
      return await runCommand(this, message.trim())
    } catch (error) {
      if (!(error instanceof UsageError || error instanceof ArgumentError || isFileError(error))) throw error
      say(`cria: ${printable(inFlags((error as Error).message))}`)
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
      say(`cria: ${printable(inFlags(error.message))} (${error.code})`)
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
