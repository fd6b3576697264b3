/** What `cria chat` does at a word that begins with a slash. */
import { readFile } from 'node:fs/promises'
import { camelCase } from '../util/check.ts'
import { nearest } from '../util/nearest.ts'
import { type ChatSession, longName, SETTINGS } from './chat-session.ts'
import { UsageError } from './flags.ts'
import { bytes, printable, table } from './terminal.ts'

/** What a command does to the talk around a session. */
export interface Talk {
  readonly session: ChatSession
  /** A line for the user. */
  tell(line: string): void
  /** Writes another answer to the last message. */
  retry(): Promise<void>
  /** Puts a text before the next message. */
  prepend(text: string): void
  showTimings: boolean
}

interface ChatCommand {
  readonly names: readonly string[]
  readonly takes?: string
  readonly help: string
  /** `rest`: what follows the word. `'leave'` ends the talk. */
  run(talk: Talk, rest: string): unknown
}

const COMMANDS: readonly ChatCommand[] = [
  { names: ['help', '?'], help: 'this list', run: help },
  { names: ['set'], takes: 'NAME VALUE', help: 'change a setting: temp, seed, predict …; alone: list them', run: set },
  { names: ['show'], takes: 'WHAT', help: 'info, system, template, settings or messages', run: show },
  { names: ['system'], takes: 'TEXT', help: 'replace the system message; "": without one', run: system },
  { names: ['retry', 'regen'], help: 'another answer to the last message', run: (talk) => talk.retry() },
  { names: ['read'], takes: 'FILE', help: 'put a text file before the next message', run: read },
  { names: ['save'], takes: 'FILE', help: 'save the conversation as JSON', run: save },
  { names: ['load'], takes: 'FILE', help: 'continue a conversation that was saved', run: load },
  { names: ['reset', 'clear'], help: 'forget all turns but the system message', run: reset },
  { names: ['bye', 'exit', 'quit'], help: 'leave', run: () => 'leave' },
]

/** Names to complete at the start of a line. */
export const COMMAND_NAMES = COMMANDS.flatMap(({ names }) => names.map((name) => `/${name}`))

/** Whether a message is a command: a slash and a word. `//` begins a message with a slash. */
export function isCommand(message: string): boolean {
  return /^\/([a-z]+|\?)(\s|$)/i.test(message)
}

/**
 * Runs a command. @returns whether the talk goes on
 * @throws UsageError for what is no command, or not how it is used; CriaError where it fails
 */
export async function runCommand(talk: Talk, message: string): Promise<boolean> {
  const [, name, rest] = /^\/(\S+)\s*([\s\S]*)$/.exec(message) as unknown as [string, string, string]
  const command = COMMANDS.find(({ names }) => names.includes(name.toLowerCase()))
  if (!command) {
    const near = nearest(`/${name}`, COMMAND_NAMES)
    const advice = near ? `Did you mean ${near}?` : '/help lists all.'
    throw new UsageError(
      `There is no command /${name}. ${advice} A message that begins with a slash is written //${name}.`,
    )
  }
  return (await command.run(talk, rest.trim())) !== 'leave'
}

function help(talk: Talk): void {
  const rows = COMMANDS.map(({ names, takes, help }) => {
    const all = names.map((name) => `/${name}`).join(' ')
    return [takes ? `${all} ${takes}` : all, help]
  })
  rows.push(['"""', 'begin and end a message of several lines; \\ at the end of a line continues it'])
  rows.push(['Ctrl-C', 'stop the answer'], ['Ctrl-D', 'leave'])
  for (const line of table(rows, 'll')) talk.tell(line)
}

function set(talk: Talk, rest: string): void {
  const [, name, value] = /^(\S*)\s*([\s\S]*)$/.exec(rest) as unknown as [string, string, string]
  if (name === '') showSettings(talk)
  else if (name === 'system') system(talk, value)
  else if (name === 'timings') talk.showTimings = switchOf(value)
  else if (value === '') throw new UsageError(`/set ${name} takes a value.`)
  else talk.session.set(settingOf(name), value)
}

function switchOf(value: string): boolean {
  if (value === 'on' || value === 'off') return value === 'on'
  throw new UsageError(`/set timings takes on or off, not ${JSON.stringify(value)}.`)
}

/** The setting of a name as flags, options of the API or llama-server write it. */
function settingOf(name: string): keyof typeof SETTINGS {
  const plain = (text: string): string => text.replace(/[-_]/g, '').toLowerCase()
  const keys = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[]
  const key = keys.find((key) => [key, ...SETTINGS[key].names].some((one) => plain(one) === plain(name)))
  if (key) return key
  const near = nearest(camelCase(name.replaceAll('-', '_')), [...keys.map(longName), 'system', 'timings'])
  throw new UsageError(`There is no setting ${name}; ${near ? `there is ${near}.` : '/set lists them.'}`)
}

const SHOWN: Readonly<Record<string, (talk: Talk) => void>> = {
  info: showInfo,
  system: (talk) => talk.tell(talk.session.system ?? 'no system message'),
  template: (talk) => talk.tell(talk.session.model.info.chatTemplate ?? "The model's file has no chat template."),
  settings: showSettings,
  messages: (talk) => {
    for (const { role, content } of talk.session.messages) talk.tell(`${role}: ${content}`)
  },
}

function show(talk: Talk, rest: string): void {
  const what = rest === '' ? 'info' : rest
  const shown = Object.hasOwn(SHOWN, what) ? SHOWN[what] : undefined
  if (!shown) throw new UsageError(`/show takes ${Object.keys(SHOWN).join(', ')}, not ${JSON.stringify(rest)}.`)
  shown(talk)
}

function showInfo(talk: Talk): void {
  const { session } = talk
  const { name, architecture, type, parameters, context, trainedContext, threads, isa, memoryBytes } =
    session.model.info
  const rows = [
    ['model', printable(name)],
    ['architecture', architecture],
    ['type', `${type}, ${parameters} parameters`],
    ['context', `${context} tokens (trained: ${trainedContext})`],
    ['engine', `${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${bytes(memoryBytes)}`],
    ['messages', String(session.messages.length)],
  ]
  for (const line of table(rows, 'll')) talk.tell(line)
}

function showSettings(talk: Talk): void {
  const given = new Map(talk.session.given)
  const keys = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[]
  const rows = keys.map((key) => {
    const value = given.get(longName(key))
    return [longName(key), value === undefined ? '' : String(value), SETTINGS[key].help]
  })
  for (const line of table(rows, 'lll')) talk.tell(line)
}

function system(talk: Talk, text: string): void {
  if (text === '') talk.tell(talk.session.system ?? 'no system message')
  else talk.session.setSystem(text === '""' ? '' : text)
}

async function read(talk: Talk, path: string): Promise<void> {
  const text = await readFile(named(path, '/read'), 'utf8')
  talk.prepend(text)
  talk.tell(`${path}: ${text.length} characters, before the next message`)
}

async function save(talk: Talk, path: string): Promise<void> {
  await talk.session.save(named(path, '/save'))
  talk.tell(`${path}: ${talk.session.messages.length} messages`)
}

async function load(talk: Talk, path: string): Promise<void> {
  await talk.session.load(named(path, '/load'))
  talk.tell(`${path}: ${talk.session.messages.length} messages`)
}

function named(path: string, command: string): string {
  if (path === '') throw new UsageError(`${command} takes the name of a file.`)
  return path
}

function reset(talk: Talk): void {
  talk.session.reset()
}
