/** What a model writes in a chat: constrained by its tools and schemas, and read as content, reasoning and calls. */
import { compile } from '../chat/compiled.ts'
import { BARE_CALLS, formatOf } from '../chat/output/detect.ts'
import { type Marks, preservedTexts } from '../chat/output/format.ts'
import { OutputReader } from '../chat/output/reader.ts'
import { checkedTools, chosenTools } from '../chat/output/tools.ts'
import type { RenderedTurn } from '../chat/template.ts'
import { messageGrammar } from '../grammar/message.ts'
import type { GrammarSource } from '../grammar/source.ts'
import type { GenerateResult } from '../scheduler/types.ts'
import { callId } from './call-id.ts'
import type { ResolvedGenerate } from './options.ts'
import type { ChatDelta, ChatOptions, ToolCall } from './types.ts'

/** A turn as it was rendered, and the template, in Jinja. */
export interface TurnPrompt extends RenderedTurn {
  template: string
}

/** Reads an answer piece by piece. */
export interface AnswerReader {
  push(text: string): readonly ChatDelta[]
  end(cut: boolean): readonly ChatDelta[]
  result(result: GenerateResult): GenerateResult
}

/** A chat's turn: what is asked of the model beside the prompt, and how its answer is read. */
export interface PreparedTurn {
  request: Pick<ResolvedGenerate, 'grammar' | 'marks'>
  reader(): AnswerReader
}

/** @param grammar what the content has to be. @throws ArgumentError for tools or a choice of them that are wrong */
export function chatTurn(prompt: TurnPrompt, options: ChatOptions, grammar: GrammarSource | undefined): PreparedTurn {
  const template = compile(prompt.template)
  const format = formatOf(template)
  const all = checkedTools(options.tools)
  const { tools, required } = chosenTools(all, options.toolChoice)
  const named = typeof options.toolChoice === 'object'
  const { reasoningFormat = 'auto', parallelToolCalls = !named && !format.calls?.single } = options
  const opening = format.reasoning ? prompt.opening() : ''
  const [open, close] = format.reasoning ?? ['', '']
  const isBegun = open !== '' && opening.lastIndexOf(open) > opening.lastIndexOf(close)
  const begun = isBegun ? opening.slice(opening.lastIndexOf(open)) : undefined
  const most = parallelToolCalls ? Number.POSITIVE_INFINITY : 1
  const isPlain = tools.length === 0 && !format.reasoning && format.layout === 'plain'
  const wantsJson = grammar?.jsonSchema !== undefined || grammar?.json === true
  const inReasoning = begun !== undefined
  const whole = messageGrammar({ format, tools, required, most, content: grammar, inReasoning })
  return {
    request: { ...(whole && { grammar: whole }), ...(!isPlain && { marks: preservedTexts(format) }) },
    reader: () =>
      new TurnReader(
        new OutputReader({
          format: required && !format.calls ? { ...format, calls: BARE_CALLS } : format,
          tools: tools.length > 0 ? new Map(tools.map(({ name, schema }) => [name, schema])) : undefined,
          begun,
          keepReasoning: reasoningFormat === 'none',
          json: wantsJson,
        }),
        format.calls?.keys?.id !== undefined,
        options.echo ?? false,
        wantsJson,
        format.reasoning,
      ),
  }
}

/** Reads one answer. */
export class TurnReader implements AnswerReader {
  private content = 0
  private reasoning = 0
  /** Of each call that was told: its id, and how much of its arguments. */
  private readonly told: { id: string; arguments: number }[] = []
  private prompt: string | undefined

  constructor(
    private readonly output: OutputReader,
    /** The model writes an id behind the arguments: a call is told when it is whole. */
    private readonly idsLate: boolean,
    /** The first piece is the prompt. */
    private readonly echo: boolean,
    /** Content is JSON, behind reasoning that stays in it. */
    private readonly wantsJson: boolean,
    private readonly marks: Marks = ['', ''],
  ) {}

  /** What a piece of the output adds. */
  push(text: string): ChatDelta[] {
    if (this.echo && this.prompt === undefined) {
      this.prompt = text
      return [{ content: text }]
    }
    this.output.push(text)
    return this.deltas(false)
  }

  /** @param cut it would have gone on */
  end(cut: boolean): ChatDelta[] {
    this.output.end(cut)
    return this.deltas(true)
  }

  private deltas(isEnd: boolean): ChatDelta[] {
    const { content, reasoning, calls } = this.output
    const deltas: ChatDelta[] = []
    if (reasoning.length > this.reasoning) deltas.push({ reasoning: reasoning.slice(this.reasoning) })
    if (content.length > this.content) deltas.push({ content: content.slice(this.content) })
    this.reasoning = reasoning.length
    this.content = content.length
    for (const [index, call] of calls.entries()) {
      const known = this.told[index]
      if (!known && this.idsLate && !call.whole && !isEnd) break
      const added = call.arguments.slice(known?.arguments ?? 0)
      if (known && added === '') continue
      const { id, arguments: told } = known ?? { id: call.id ?? callId(), arguments: 0 }
      this.told[index] = { id, arguments: told + added.length }
      deltas.push({ toolCall: { index, ...(!known && { id, name: call.name }), arguments: added } })
    }
    return deltas
  }

  private behindReasoning(content: string): string {
    const [open, close] = this.marks
    const isBefore = open !== '' && content.trimStart().startsWith(open)
    return isBefore ? content.slice(content.indexOf(close) + close.length) : content
  }

  /** The result of the answer, which has ended. */
  result(result: GenerateResult): GenerateResult {
    const { content, reasoning, calls } = this.output
    const toolCalls = calls.map(
      ({ name, arguments: args }, i): ToolCall => ({ id: this.told[i]!.id, name, arguments: args }),
    )
    const isDone = result.finishReason === 'stop'
    // A stop text may end an answer within a call.
    const isCalled = isDone && toolCalls.every((call) => isWhole(call.arguments))
    const isJson = this.wantsJson && isDone && result.stop === undefined && toolCalls.length === 0
    return {
      ...result,
      text: (this.prompt ?? '') + content,
      ...(isJson && { json: JSON.parse(this.behindReasoning(content)) }),
      ...(reasoning !== '' && { reasoning }),
      ...(toolCalls.length > 0 && { toolCalls, ...(isCalled && { finishReason: 'tool_calls' as const }) }),
    }
  }
}

function isWhole(json: string): boolean {
  try {
    JSON.parse(json)
    return true
  } catch {
    return false
  }
}
