/** What chats are made of. */

/** Content may be OpenAI’s parts of type text; null is an empty text; beside tool calls it may be missing. */
export interface ChatMessage {
  role: string
  content?: string | null | readonly { type: 'text'; text: string }[]
  [key: string]: unknown
}
