/** `cria chat`: turns at a terminal, or one a line where something is piped in. */
import { createInterface, type Interface } from 'node:readline/promises'
import type { Chat } from '../api/types.ts'
import { AbortError, CriaError } from '../errors.ts'
import type { Command, Context } from './command.ts'
import { text, UsageError, type Values } from './flags.ts'
import { loadModel } from './model.ts'
import {
  CHAT_FLAGS,
  chatOptions,
  GENERATE_FLAGS,
  generateOptions,
  LOAD_FLAGS,
  OTHER_FLAGS,
  SAMPLING_FLAGS,
  SOURCE_FLAGS,
} from './options.ts'
import { sayTimings, stream } from './run.ts'
import { printable, say } from './terminal.ts'

const CHAT = { prompt: text('-p --prompt', 'TEXT', 'the first message'), ...CHAT_FLAGS }

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
    'Holds a conversation. A backslash at the end of a line continues the message on the next one;',
    'arrow keys recall earlier messages. Ctrl-C stops an answer and keeps its text; Ctrl-D, /exit or',
    'Ctrl-C twice leave; /reset drops all turns.',
    'From a pipe each line is a message; the answers alone go to stdout.',
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
  const options = { ...chatOptions(values), ...generateOptions(values) }
  const model = await loadModel(values, context.signal)
  try {
    if (values.verbose) say(`seed: ${options.seed}`)
    const chat = model.createChat(options)
    const verbose = values.verbose ?? false
    if (process.stdin.isTTY) await converse(chat, values.prompt, verbose, context)
    else await answerLines(chat, values.prompt, verbose, context)
    return 0
  } finally {
    await model.close()
  }
}

async function answer(chat: Chat, message: string, verbose: boolean, signal: AbortSignal): Promise<void> {
  const generation = chat.send(message, { signal })
  await stream(generation)
  if (verbose) await sayTimings(generation)
}

async function answerLines(chat: Chat, first: string | undefined, verbose: boolean, { signal }: Context) {
  if (first !== undefined) await answer(chat, first, verbose, signal)
  for await (const line of createInterface({ input: process.stdin, terminal: false, signal })) {
    if (line.trim() !== '') await answer(chat, line, verbose, signal)
  }
  // Lines end without an error where they are aborted.
  signal.throwIfAborted()
}

async function converse(chat: Chat, first: string | undefined, verbose: boolean, context: Context): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: '> ' })
  const iterator = lines[Symbol.asyncIterator]()
  const stop = interrupts(lines, context)
  try {
    say('Ctrl-C stops an answer, Ctrl-D leaves, /reset forgets all turns.')
    let message = first ?? (await nextMessage(lines, iterator))
    for (; message !== undefined && message !== '/exit'; message = await nextMessage(lines, iterator)) {
      if (message === '/reset') chat.reset()
      else if (message.trim() !== '') await stop.during((signal) => tryAnswer(chat, message!, verbose, signal))
    }
  } finally {
    lines.close()
    context.onInterrupt(undefined)
  }
}

/** An answer that fails or is stopped ends that turn, not the conversation, unless the model is lost. */
async function tryAnswer(chat: Chat, message: string, verbose: boolean, signal: AbortSignal): Promise<void> {
  try {
    await answer(chat, message, verbose, signal)
  } catch (error) {
    if (error instanceof AbortError) return
    const lost = ['WorkerError', 'ClosedError'].includes((error as Error).name)
    if (lost || !(error instanceof CriaError)) throw error
    say(`cria: ${printable(error.message)} (${error.code})`)
  }
}

/** The lines up to one without a backslash at its end; undefined at the end of stdin. */
async function nextMessage(lines: Interface, iterator: AsyncIterator<string>): Promise<string | undefined> {
  const message: string[] = []
  for (;;) {
    lines.setPrompt(message.length === 0 ? '> ' : '… ')
    lines.prompt()
    const { value, done } = await iterator.next()
    if (done) {
      say('')
      return undefined
    }
    message.push(value)
    if (!value.endsWith('\\')) return message.join('\n')
    message[message.length - 1] = value.slice(0, -1)
  }
}

/** What Ctrl-C does: it stops the running answer; without one it clears the line, and the second in a row leaves. */
function interrupts(
  lines: Interface,
  context: Context,
): { during(run: (signal: AbortSignal) => Promise<void>): Promise<void> } {
  let running: AbortController | undefined
  let warned = false
  const interrupt = () => {
    if (running) running.abort()
    else if (warned) lines.close()
    else {
      warned = true
      lines.write(null, { ctrl: true, name: 'u' })
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
        await run(running.signal)
      } finally {
        running = undefined
      }
    },
  }
}
