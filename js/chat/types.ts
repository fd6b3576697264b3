/** What chats are made of. */

/** Where reasoning goes: `none` leaves it in the content, with its marks; the others set it apart. As in llama.cpp. */
export const REASONING_FORMATS = ['auto', 'deepseek', 'none'] as const
export type ReasoningFormat = (typeof REASONING_FORMATS)[number]

/** Which tools may be called, and whether one has to be. */
export type ToolChoice = 'auto' | 'none' | 'required' | { name: string }

/** Content may be OpenAI’s parts of type text; null is an empty text; beside tool calls it may be missing. */
export interface ChatMessage {
  role: string
  content?: string | null | readonly { type: 'text'; text: string }[]
  [key: string]: unknown
}
