/** A conversation of `cria chat`: its model, its turns, and settings that may change between them. */
import { readFile } from 'node:fs/promises'
import type { Chat, ChatOptions, GenerateOptions, Generation, Model } from '../api/types.ts'
import type { ChatMessage } from '../chat/types.ts'
import { ArgumentError } from '../errors.ts'
import { seedOfAnswer } from '../sampler/random.ts'
import { type Flags, longName as nameOf, type Values } from './flags.ts'
import { GENERATE_FLAGS, generateOptions, SAMPLING_FLAGS } from './options.ts'
import { writeWhole } from './output.ts'
import { parse } from './parse.ts'

/** What may change between two turns. */
export const SETTINGS = { ...GENERATE_FLAGS, ...SAMPLING_FLAGS }

export class ChatSession {
  private chat: Chat
  /** Answers given to the last message. */
  private tries = 0
  private settings: Values<typeof SETTINGS>
  /** Of the first answer to each message. */
  seed: number
  /** The file that the conversation was saved to or loaded from. */
  private file: string | undefined

  constructor(
    readonly model: Model,
    private readonly chatOptions: ChatOptions,
    system: string | undefined,
    settings: Values<typeof SETTINGS>,
  ) {
    this.settings = settings
    this.seed = generateOptions(settings).seed
    this.chat = model.createChat({ ...chatOptions, ...(system !== undefined && { system }) })
  }

  get messages(): readonly ChatMessage[] {
    return this.chat.messages
  }

  get system(): string | undefined {
    const first = this.messages[0]
    return first?.role === 'system' && typeof first.content === 'string' ? first.content : undefined
  }

  /** Settings that were given, by the names of their flags. */
  get given(): [name: string, value: unknown][] {
    return Object.entries(this.settings)
      .filter(([key, value]) => value !== undefined && key in SETTINGS)
      .map(([key, value]) => [longName(key as keyof typeof SETTINGS), value])
  }

  get options(): GenerateOptions {
    return generateOptions(this.settings)
  }

  send(message: string, signal: AbortSignal): Generation {
    this.tries = 0
    return this.answer(message, signal)
  }

  /** Another answer to the last message; undefined where there is none. */
  retry(signal: AbortSignal): Generation | undefined {
    const at = this.messages.findLastIndex(({ role }) => role === 'user')
    const content = this.messages[at]?.content
    if (typeof content !== 'string') return undefined
    this.begin(this.messages.slice(0, at))
    this.tries++
    return this.answer(content, signal)
  }

  private answer(message: string, signal: AbortSignal): Generation {
    const seed = seedOfAnswer(this.seed, this.tries)
    return this.chat.send(message, { ...this.options, seed, signal })
  }

  reset(): void {
    this.chat.reset()
  }

  /** Puts another system message before the turns so far; an empty one leaves none. */
  setSystem(text: string): void {
    const turns = this.messages.slice(this.system === undefined ? 0 : 1)
    this.begin(text === '' ? turns : [{ role: 'system', content: text }, ...turns])
  }

  /** @throws UsageError */
  set(key: keyof typeof SETTINGS, value: string): void {
    const read = readSetting(key, value)
    if (key === 'seed') this.seed = generateOptions(read).seed
    this.settings = { ...this.settings, ...read, ...(key in read ? {} : { [key]: undefined }) }
  }

  /** @throws ArgumentError FILE_EXISTS for a file that is not this conversation's */
  async save(path: string): Promise<void> {
    const content = { model: this.model.info.name, messages: this.messages }
    const bytes = Buffer.from(`${JSON.stringify(content, null, 2)}\n`)
    await writeWhole(path, chunk(bytes), path === this.file)
    this.file = path
  }

  /** @throws ArgumentError for what is no conversation */
  async load(path: string): Promise<void> {
    const messages = messagesOf(await readFile(path, 'utf8'))
    if (!messages) {
      const rule = 'a JSON list of messages {role, content}, or an object with one as messages'
      throw new ArgumentError('INVALID_MESSAGES', `${path} is no conversation: it must be ${rule}.`, path)
    }
    this.begin(messages)
    this.file = path
  }

  private begin(messages: readonly ChatMessage[]): void {
    this.chat = this.model.createChat({ ...this.chatOptions, messages })
  }
}

async function* chunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function messagesOf(text: string): ChatMessage[] | undefined {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  const list: unknown = Array.isArray(read) ? read : (read as { messages?: unknown } | null)?.messages
  const sound = (message: Partial<ChatMessage> | null): boolean =>
    typeof message?.role === 'string' && typeof message.content === 'string'
  return Array.isArray(list) && list.every(sound) ? list : undefined
}

export function longName(key: keyof typeof SETTINGS): string {
  return nameOf(SETTINGS[key]).replace(/^-+/, '')
}

/** A switch is `on` or `off`; what is off has no value. */
function readSetting(key: keyof typeof SETTINGS, value: string): Values<typeof SETTINGS> {
  const flags: Flags = { [key]: SETTINGS[key] }
  const name = `--${longName(key)}`
  const toggled = SETTINGS[key].takes === undefined
  if (toggled && value === 'off') return {}
  return parse([toggled && value === 'on' ? name : `${name}=${value}`], flags).values
}
