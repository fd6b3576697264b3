/** Conversations under way: a turn continues the ids of the turn before it, which its text might not tokenize to. */

/** What a turn left in the cache: prompt and answer as one text, and its ids. */
export interface Continuation {
  text: string
  ids: readonly number[]
}

/** Most conversations that are remembered; the next turn of an older one is tokenized whole. */
const MOST = 64

export class Conversations {
  /** By number, the longest unused first. */
  private readonly turns = new Map<number, Continuation>()

  /** The last turn of a conversation. */
  last(conversation: number | undefined): Continuation | undefined {
    return conversation === undefined ? undefined : this.turns.get(conversation)
  }

  /** Remembers a turn, or forgets the conversation. */
  remember(conversation: number | undefined, turn: Continuation | undefined): void {
    if (conversation === undefined) return
    this.turns.delete(conversation)
    if (!turn) return
    this.turns.set(conversation, turn)
    if (this.turns.size > MOST) this.turns.delete(this.turns.keys().next().value!)
  }
}
