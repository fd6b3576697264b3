/** What chats are made of. */

/** Content may be OpenAI's parts of type text, and may be missing beside tool calls. */
export interface ChatMessage {
  role: string
  content?: string | null | readonly { type: 'text'; text: string }[]
  [key: string]: unknown
}
