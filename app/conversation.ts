/**
 * A conversation is a tree of turns. An edit or a new answer is a sibling of the turn that it replaces, so nothing is lost:
 * `leaf` says which branch is shown, from the root down to it. Functions give a new conversation and change none.
 */

export interface Turn {
  readonly id: string
  /** The turn before it; null of the first ones. */
  readonly parent: string | null
  readonly role: 'user' | 'assistant'
  readonly content: string
  readonly reasoning?: string
  /** Why the answer ended early, in words. */
  readonly error?: string
  /** Whether its reader stopped the answer. */
  readonly stopped?: boolean
  readonly stats?: TurnStats
  /** For each token of an answer what else could have come, where that was asked for. */
  readonly tokens?: readonly TokenChoice[]
}

export interface TurnStats {
  readonly model: string
  readonly promptTokens: number
  readonly completionTokens: number
  readonly tokensPerSecond: number
  /** With it and the same settings the answer comes again. */
  readonly seed?: number
}

export interface TokenChoice {
  readonly text: string
  /** From 0 to 1. */
  readonly probability: number
  readonly others: readonly { readonly text: string; readonly probability: number }[]
}

export interface Conversation {
  readonly id: string
  readonly title: string
  /** The system prompt; empty: none. */
  readonly system: string
  /** Milliseconds since 1970 of the last change. */
  readonly updated: number
  readonly turns: readonly Turn[]
  /** The last turn that is shown; null where there is none. */
  readonly leaf: string | null
}

const TITLE_LENGTH = 48

/** Not `crypto.randomUUID`, which pages without TLS lack. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function newConversation(system = ''): Conversation {
  return { id: newId(), title: '', system, updated: Date.now(), turns: [], leaf: null }
}

/** The turns that are shown, the first one first. */
export function shownTurns({ turns, leaf }: Conversation): Turn[] {
  return pathTo(turns, leaf)
}

/** A turn and all before it, the first one first. */
export function pathTo(turns: readonly Turn[], id: string | null): Turn[] {
  const byId = new Map(turns.map((turn) => [turn.id, turn]))
  const path: Turn[] = []
  for (let turn = byId.get(id ?? ''); turn; turn = byId.get(turn.parent ?? '')) path.push(turn)
  return path.reverse()
}

/** The turns that a turn can be exchanged for, itself among them, in the order they came. */
export function siblingsOf({ turns }: Conversation, { parent, role }: Turn): Turn[] {
  return turns.filter((turn) => turn.parent === parent && turn.role === role)
}

/** Adds a turn, which is shown from now on. The first question gives a conversation its title. */
export function withTurn(conversation: Conversation, turn: Turn): Conversation {
  const title = conversation.title || (turn.role === 'user' ? titleOf(turn.content) : '')
  return touched(conversation, { title, turns: [...conversation.turns, turn], leaf: turn.id })
}

/** Changes a turn in its place. */
export function withChange(conversation: Conversation, id: string, change: Partial<Turn>): Conversation {
  const turns = conversation.turns.map((turn) => (turn.id === id ? { ...turn, ...change } : turn))
  return touched(conversation, { turns })
}

/** Takes a turn away that nothing follows; what came before it is shown. */
export function withoutTurn(conversation: Conversation, id: string): Conversation {
  const gone = conversation.turns.find((turn) => turn.id === id)
  const turns = conversation.turns.filter((turn) => turn.id !== id)
  return touched(conversation, { turns, leaf: conversation.leaf === id ? (gone?.parent ?? null) : conversation.leaf })
}

/** Shows the branch of a turn, down to its newest end. */
export function withBranch(conversation: Conversation, id: string): Conversation {
  const childOf = (parent: string): Turn | undefined => conversation.turns.findLast((turn) => turn.parent === parent)
  let leaf = id
  for (let child = childOf(leaf); child; child = childOf(leaf)) leaf = child.id
  return touched(conversation, { leaf })
}

function touched(conversation: Conversation, change: Partial<Conversation>): Conversation {
  return { ...conversation, ...change, updated: Date.now() }
}

function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0]!
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1).trimEnd()}…` : line
}

const FORMAT = 'cria-conversations'

/** A file of conversations, which {@link importConversations} reads. */
export function exportConversations(conversations: readonly Conversation[]): string {
  return JSON.stringify({ format: FORMAT, version: 1, conversations }, null, 2)
}

/**
 * Reads a file of conversations, each under a new id, so that none that is there is replaced.
 * @throws Error that says what is wrong with the file
 */
export function importConversations(text: string): Conversation[] {
  let file: { format?: unknown; version?: unknown; conversations?: unknown }
  try {
    file = JSON.parse(text)
  } catch (error) {
    throw new Error(`The file is no JSON: ${(error as Error).message}`)
  }
  if (file?.format !== FORMAT) throw new Error('The file holds no conversations of this app.')
  if (file.version !== 1) throw new Error(`The file is of version ${file.version}; this app reads version 1.`)
  if (!Array.isArray(file.conversations)) throw new Error('The file has no list of conversations.')
  return file.conversations.map((value, i) => {
    const problem = problemOf(value)
    if (problem) throw new Error(`Conversation ${i + 1} of the file is damaged: ${problem}.`)
    return { ...(value as Conversation), id: newId() }
  })
}

/** What keeps a value from being a conversation, in words. */
function problemOf(value: Partial<Record<keyof Conversation, unknown>> | null): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it is no object'
  for (const key of ['title', 'system'] as const) if (typeof value[key] !== 'string') return `${key} is no text`
  if (!Number.isFinite(value.updated)) return 'updated is no number'
  if (!Array.isArray(value.turns)) return 'turns is no list'
  const before = new Set<unknown>([null])
  for (const turn of value.turns as readonly (Partial<Record<keyof Turn, unknown>> | null)[]) {
    const problem = problemOfTurn(turn, before)
    if (problem) return problem
    before.add(turn!.id)
  }
  return before.has(value.leaf) ? undefined : 'leaf is none of its turns'
}

function problemOfTurn(turn: Partial<Record<keyof Turn, unknown>> | null, before: Set<unknown>): string | undefined {
  if (typeof turn?.id !== 'string' || before.has(turn.id)) return 'a turn has no id of its own'
  if (!before.has(turn.parent)) return 'a turn comes before its parent'
  if (turn.role !== 'user' && turn.role !== 'assistant') return 'a role is neither user nor assistant'
  if (typeof turn.content !== 'string') return 'the content of a turn is no text'
  for (const key of ['reasoning', 'error'] as const) {
    if (turn[key] !== undefined && typeof turn[key] !== 'string') return `${key} of a turn is no text`
  }
  if (turn.stats !== undefined && !isStats(turn.stats)) return 'the stats of a turn are not whole'
  return turn.tokens === undefined || (Array.isArray(turn.tokens) && turn.tokens.every(isChoice))
    ? undefined
    : 'the tokens of a turn are not whole'
}

function isStats(value: unknown): value is TurnStats {
  const { model, promptTokens, completionTokens, tokensPerSecond, seed } = (value ?? {}) as Partial<TurnStats>
  const numbers = [promptTokens, completionTokens, tokensPerSecond, seed ?? 0]
  return typeof model === 'string' && numbers.every((one) => typeof one === 'number')
}

function isChoice(value: unknown): value is TokenChoice {
  const { text, probability, others } = (value ?? {}) as Partial<TokenChoice>
  const candidates = [{ text, probability }, ...(Array.isArray(others) ? others : [{}])]
  return candidates.every((one) => typeof one?.text === 'string' && typeof one.probability === 'number')
}
