/** What the app knows and does: signals that views read, and the actions that change them. */
import { computed, effect, signal } from '@preact/signals'
import type { ChatMessage } from '../js/api/types.ts'
import { type Backend, modelBackend } from './backend.ts'
import {
  type Conversation,
  exportConversations,
  importConversations,
  newConversation,
  newId,
  pathTo,
  shownTurns,
  type TokenChoice,
  type Turn,
  withChange,
  withoutTurn,
  withTurn,
} from './conversation.ts'
import { factsOf, type LoadProgress, loadModel, type ModelFacts, type ModelSource, sourceName } from './models.ts'
import { KeyError, serverBackend } from './server-backend.ts'
import { keepSettings, readSettings, type Settings } from './settings.ts'
import { type ConversationStore, openStore, settingsStorage } from './storage.ts'

/** An answer under way. */
export interface LiveAnswer {
  readonly conversation: string
  readonly turn: string
  readonly content: string
  readonly reasoning: string
  readonly tokens: number
  /** Since the first token; 0 while nothing is known. */
  readonly tokensPerSecond: number
}

export interface Notice {
  readonly text: string
  readonly bad?: boolean
  readonly action?: { readonly label: string; run(): void }
}

/** A model that the reader looks at before it is loaded. */
export interface Candidate {
  readonly source: ModelSource
  readonly facts?: ModelFacts
  readonly error?: string
}

export interface Loading {
  readonly name: string
  readonly progress?: LoadProgress
}

export type Dialog = 'models' | 'settings' | 'keys'

/** What the server says that the page came from: nothing (`''`), or whether its model chats. */
export const server = document.querySelector<HTMLMetaElement>('meta[name="cria-server"]')?.content ?? ''

export const conversations = signal<readonly Conversation[]>([])
export const current = signal<Conversation>(newConversation())
export const live = signal<LiveAnswer>()
export const backend = signal<Backend>()
export const candidate = signal<Candidate>()
export const loading = signal<Loading>()
export const settings = signal<Settings>(readSettings(settingsStorage))
export const notice = signal<Notice>()
export const dialog = signal<Dialog>()
export const drawer = signal(false)
/** Why the server does not let us in; undefined where it does. */
export const keyProblem = signal<string>()
/** Texts that are read out, the last ones. */
export const announcements = signal<readonly { readonly id: number; readonly text: string }[]>([])
/** Why the model runs on one thread, and whether loading the page anew would help. */
export const threadsNote = signal<{ readonly text: string; readonly reload: boolean }>()

export const turns = computed(() => shownTurns(current.value))
export const answering = computed(() => live.value !== undefined)
/** Tokens of the context that the conversation took at its last answer, and while one is under way. */
export const contextUsed = computed(() => {
  const answer = live.value?.conversation === current.value.id ? live.value : undefined
  const stats = turns.value.findLast((turn) => turn.stats)?.stats
  return (stats ? stats.promptTokens + stats.completionTokens : 0) + (answer?.tokens ?? 0)
})

const ANNOUNCED = 12
/** Milliseconds between two looks at an answer under way, at least, and between two that are kept. */
const SHOWN_MS = 50
const KEPT_MS = 1000

let store: ConversationStore | undefined
let answerEnds: AbortController | undefined
let loadEnds: AbortController | undefined
let lastAnnouncement = 0
export function announce(text: string): void {
  if (text.trim() === '') return
  announcements.value = [...announcements.value.slice(1 - ANNOUNCED), { id: ++lastAnnouncement, text }]
}

/** Reads what is kept, and asks the server where there is one. */
export async function begin(): Promise<void> {
  effect(() => {
    document.documentElement.dataset.theme = settings.value.theme
  })
  try {
    store = await openStore()
    conversations.value = await store.all()
    const named = conversations.value.find(({ id }) => id === location.hash.slice(1))
    if (named) current.value = named
    else newChat()
  } catch (error) {
    warn(`This browser keeps no conversations: ${(error as Error).message}`)
  }
  if (server) await connect(sessionStorage.getItem('cria-key') ?? '')
}

export function warn(text: string): void {
  notice.value = { text, bad: true }
}

export function change(part: Partial<Settings>): void {
  settings.value = { ...settings.value, ...part }
  keepSettings(settingsStorage, settings.value)
}

// Conversations

export function newChat(): void {
  current.value = newConversation(settings.value.system)
  history.replaceState(null, '', ' ')
  drawer.value = false
}

export function openChat(id: string): void {
  const found = conversations.value.find((one) => one.id === id)
  if (!found) return
  current.value = found
  history.replaceState(null, '', `#${id}`)
  drawer.value = false
}

/** Takes over a conversation that has changed, and keeps it. */
export function update(conversation: Conversation): void {
  if (current.value.id === conversation.id) {
    current.value = conversation
    if (conversation.turns.length > 0) history.replaceState(null, '', `#${conversation.id}`)
  }
  // Nothing has been said yet: there is nothing to keep.
  if (conversation.turns.length === 0) return
  const others = conversations.value.filter(({ id }) => id !== conversation.id)
  conversations.value = [conversation, ...others].sort((a, b) => b.updated - a.updated)
  keep(store?.put(conversation))
}

function keep(work: Promise<void> | undefined): void {
  work?.catch((error: Error) => warn(`The conversation could not be kept: ${error.message}`))
}

function named(id: string): Conversation | undefined {
  return current.value.id === id ? current.value : conversations.value.find((one) => one.id === id)
}

export function deleteChat(id: string): void {
  const gone = named(id)
  if (!gone) return
  if (live.value?.conversation === id) stop()
  conversations.value = conversations.value.filter((one) => one.id !== id)
  keep(store?.delete(id))
  if (current.value.id === id) newChat()
  const undo = (): void => {
    update(gone)
    openChat(id)
    notice.value = undefined
  }
  notice.value = { text: `Deleted “${gone.title || 'New chat'}”.`, action: { label: 'Undo', run: undo } }
}

export function rename(id: string, title: string): void {
  const found = named(id)
  if (found && title.trim() !== '') update({ ...found, title: title.trim() })
}

export function exportAll(): void {
  const file = new Blob([exportConversations(conversations.value)], { type: 'application/json' })
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = `cria-conversations-${new Date().toISOString().slice(0, 10)}.json`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

export async function importFrom(file: Blob): Promise<void> {
  try {
    const found = importConversations(await file.text())
    for (const conversation of found) update(conversation)
    const count = found.length === 1 ? 'One conversation' : `${found.length} conversations`
    notice.value = { text: `${count} imported.` }
  } catch (error) {
    warn((error as Error).message)
  }
}

// Answers

/** Adds a question and has it answered. @returns whether there is who answers */
export function send(text: string): boolean {
  if (!backend.value) {
    dialog.value = 'models'
    return false
  }
  const turn: Turn = { id: newId(), parent: current.value.leaf, role: 'user', content: text }
  update(withTurn(current.value, turn))
  void answer(current.value.id, turn.id)
  return true
}

/** Another answer beside the one there is. */
export function regenerate(turn: Turn): void {
  if (turn.parent !== null) void answer(current.value.id, turn.parent)
}

/** Puts another text beside a turn; a question is answered anew. */
export function edit({ parent, role }: Turn, content: string): void {
  const turn: Turn = { id: newId(), parent, role, content }
  update(withTurn(current.value, turn))
  if (role === 'user' && backend.value) void answer(current.value.id, turn.id)
}

export function stop(): void {
  answerEnds?.abort()
}

async function answer(id: string, question: string): Promise<void> {
  const who = backend.value
  const asked = named(id)
  if (!who || !asked || live.value) return
  answerEnds = new AbortController()
  const { signal: ends } = answerEnds
  const turn: Turn = { id: newId(), parent: question, role: 'assistant', content: '' }
  update(withTurn(asked, turn))
  const written = new Written(id, turn.id)
  live.value = written.look()
  announce('Answering')
  const asks = settings.value
  try {
    const end = await who.answer({
      messages: messagesOf(asked, question),
      settings: asks,
      signal: ends,
      onDelta: (delta) => written.add(delta),
      onToken: (choice) => written.count(choice),
    })
    const { cut, ...stats } = end
    const error = cut ? 'The answer reached the most tokens that it may have.' : undefined
    finish(written, { stats: { model: who.name, ...stats }, ...(error && { error }) })
    announce(`Answered with ${stats.completionTokens} tokens.`)
  } catch (error) {
    if (ends.aborted) {
      finish(written, { stopped: true })
      announce('Stopped')
    } else {
      finish(written, { error: (error as Error).message })
      announce((error as Error).message)
    }
  } finally {
    live.value = undefined
  }
}

/** Keeps an answer with what is known at its end; one that says nothing leaves no trace unless it says why. */
function finish(written: Written, more: Partial<Turn>): void {
  written.end()
  const found = named(written.conversation)
  if (!found) return
  const { content, reasoning } = written.look()
  const empty = content === '' && reasoning === '' && more.stopped
  const tokens = written.choices.length > 0 ? { tokens: written.choices } : {}
  const change = { content, ...(reasoning && { reasoning }), ...tokens, ...more }
  update(empty ? withoutTurn(found, written.turn) : withChange(found, written.turn, change))
}

/** The messages up to a question. */
function messagesOf(conversation: Conversation, question: string): ChatMessage[] {
  const { system } = conversation
  const said = pathTo(conversation.turns, question).map(({ role, content }) => ({ role, content }))
  return [...(system.trim() ? [{ role: 'system', content: system }] : []), ...said]
}

/** The text of an answer under way. Views get to see it some times a second, however fast it comes. */
class Written {
  readonly choices: TokenChoice[] = []
  private content = ''
  private reasoning = ''
  private tokens = 0
  private first = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private kept = performance.now()

  constructor(
    readonly conversation: string,
    readonly turn: string,
  ) {}

  add({ content = '', reasoning = '' }: { content?: string; reasoning?: string }): void {
    this.content += content
    this.reasoning += reasoning
    this.timer ??= setTimeout(() => this.show(), SHOWN_MS)
  }

  count(choice?: TokenChoice): void {
    if (this.tokens++ === 0) this.first = performance.now()
    if (choice) this.choices.push(choice)
  }

  look(): LiveAnswer {
    const { conversation, turn, content, reasoning, tokens } = this
    const seconds = (performance.now() - this.first) / 1000
    const tokensPerSecond = tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : 0
    return { conversation, turn, content, reasoning, tokens, tokensPerSecond }
  }

  end(): void {
    clearTimeout(this.timer)
  }

  private show(): void {
    this.timer = undefined
    const look = this.look()
    live.value = look
    const now = performance.now()
    const found = named(this.conversation)
    if (now - this.kept < KEPT_MS || !found) return
    this.kept = now
    // A page that is closed now shall not lose it.
    update(
      withChange(found, this.turn, { content: look.content, ...(look.reasoning && { reasoning: look.reasoning }) }),
    )
  }
}

// Models

/** Lets the server answer. */
export async function connect(key: string): Promise<void> {
  try {
    const found = await serverBackend(key, server === 'chat')
    sessionStorage.setItem('cria-key', key)
    keyProblem.value = undefined
    await use(found)
  } catch (error) {
    if (error instanceof KeyError) {
      keyProblem.value = key ? error.message : 'The server wants an API key.'
      dialog.value = 'models'
    } else warn(`The server does not answer: ${(error as Error).message}`)
  }
}

/** Reads the header of a model, so that the reader sees what it takes; the built-in one is loaded at once. */
export async function look(source: ModelSource): Promise<void> {
  dialog.value = 'models'
  if (source.kind === 'built-in') return start(source)
  loadEnds?.abort()
  loadEnds = new AbortController()
  const { signal: ends } = loadEnds
  candidate.value = { source }
  try {
    const facts = await factsOf(source, settings.value.context, ends)
    if (!ends.aborted) candidate.value = { source, facts }
  } catch (error) {
    if (!ends.aborted) candidate.value = { source, error: (error as Error).message }
  }
}

export function lookAway(): void {
  loadEnds?.abort()
  candidate.value = undefined
}

/** Loads a model in place of the one there is. `context`: tokens; default: as many as it was trained for, at most 4096. */
export async function start(source: ModelSource, context?: number): Promise<void> {
  loadEnds?.abort()
  stop()
  loadEnds = new AbortController()
  const { signal: ends } = loadEnds
  candidate.value = undefined
  const name = sourceName(source)
  loading.value = { name }
  try {
    // Two at once may be too large.
    await backend.value?.close()
    backend.value = undefined
    const options = {
      ...(context && { context }),
      signal: ends,
      onWarning: ({ message }: { message: string }) => warn(message),
    }
    const model = await loadModel(source, options, (progress) => {
      loading.value = { name, progress }
    })
    if (ends.aborted) return void (await model.close())
    await use(modelBackend(model))
    dialog.value = undefined
    announce(`${model.info.name || name} is loaded.`)
  } catch (error) {
    if (!ends.aborted) candidate.value = { source, error: (error as Error).message }
  } finally {
    if (loadEnds.signal === ends) loading.value = undefined
  }
}

export function cancelLoad(): void {
  loadEnds?.abort()
  loading.value = undefined
}

async function use(next: Backend): Promise<void> {
  const before = backend.value
  backend.value = next
  await before?.close()
}
