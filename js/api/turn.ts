/** The answer to a prompt as it is read: of a chat, its content, its reasoning and its calls. */
import type { GenerateResult } from '../scheduler/types.ts'
import type { TurnPrompt } from './chat-output.ts'
import type { ResolvedGenerate } from './options.ts'
import { outputOf } from './templates.ts'
import type { ChatDelta, ChatOptions } from './types.ts'

export type { TurnPrompt } from './chat-output.ts'

/** Reads an answer piece by piece. */
export interface AnswerReader {
  push(text: string): readonly ChatDelta[]
  end(cut: boolean): readonly ChatDelta[]
  result(result: GenerateResult): GenerateResult
}

/** All of it is content. */
export const PLAIN_ANSWER: AnswerReader = {
  push: (text) => (text === '' ? [] : [{ content: text }]),
  end: () => [],
  result: (result) => result,
}

/** A chat's turn: what is asked of the model, and how its answer is read. */
export interface PreparedTurn {
  text: string
  request: Pick<ResolvedGenerate, 'grammar' | 'marks'>
  reader(options: ChatOptions): AnswerReader
}

/** @throws ArgumentError for tools or a choice of them that are wrong */
export async function turnOf(
  prompt: TurnPrompt,
  { grammar }: ResolvedGenerate,
  options: ChatOptions,
): Promise<PreparedTurn> {
  const output = await outputOf(prompt.template, options)
  const turn = output?.chatTurn(prompt, options, grammar)
  if (!turn) return { text: prompt.text, request: {}, reader: () => PLAIN_ANSWER }
  const { marks, reader } = turn
  return {
    text: prompt.text,
    request: { ...(turn.grammar && { grammar: turn.grammar }), ...(marks.length > 0 && { marks }) },
    reader,
  }
}
