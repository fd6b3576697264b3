/** The answer to a prompt as it is read: of a chat, its content, its reasoning and its calls. */
import type { AnswerReader, PreparedTurn, TurnPrompt } from './chat-output.ts'
import type { ResolvedGenerate } from './options.ts'
import { outputOf } from './templates.ts'
import type { ChatOptions } from './types.ts'

/** All of it is content. */
const PLAIN_ANSWER: AnswerReader = {
  push: (text) => (text === '' ? [] : [{ content: text }]),
  end: () => [],
  result: (result) => result,
}

export const PLAIN_TURN: PreparedTurn = { request: {}, reader: () => PLAIN_ANSWER }

/** @throws ArgumentError for tools or a choice of them that are wrong */
export async function turnOf(
  prompt: TurnPrompt,
  { grammar }: ResolvedGenerate,
  options: ChatOptions,
): Promise<PreparedTurn> {
  const output = await outputOf(prompt.template, options)
  return output?.chatTurn(prompt, options, grammar) ?? PLAIN_TURN
}
