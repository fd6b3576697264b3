/** From the parts of a chat's output to those of the AI SDK. */
import type { ChatDelta, GenerateResult } from '../api/types.ts'
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from './specification.ts'

const UNIFIED = { stop: 'stop', length: 'length', tool_calls: 'tool-calls' } as const

/** What has begun and not ended. */
type PartBlock =
  | { type: 'text' | 'reasoning'; id: string }
  | { type: 'tool-input'; id: string; name: string; input: string }

/** Writes a stream's parts: blocks of text, of reasoning and of a call's input, one after another. */
export class PartWriter {
  private block: PartBlock | undefined
  private blocks = 0

  /** What a piece of the output adds. */
  write({ content, reasoning, toolCall }: ChatDelta): LanguageModelV4StreamPart[] {
    const parts: LanguageModelV4StreamPart[] = []
    if (reasoning !== undefined) parts.push(...this.text('reasoning', reasoning))
    if (content !== undefined) parts.push(...this.text('text', content))
    if (!toolCall) return parts
    const { id, name: toolName = '', arguments: delta } = toolCall
    if (id !== undefined) {
      parts.push(...this.end(), { type: 'tool-input-start', id, toolName })
      this.block = { type: 'tool-input', id, name: toolName, input: '' }
    }
    if (delta !== '' && this.block?.type === 'tool-input') {
      this.block.input += delta
      parts.push({ type: 'tool-input-delta', id: this.block.id, delta })
    }
    return parts
  }

  private text(type: 'text' | 'reasoning', delta: string): LanguageModelV4StreamPart[] {
    const parts: LanguageModelV4StreamPart[] = []
    if (this.block?.type !== type) {
      parts.push(...this.end())
      this.block = { type, id: `${this.blocks++}` }
      parts.push({ type: `${type}-start`, id: this.block.id })
    }
    parts.push({ type: `${type}-delta`, id: this.block.id, delta })
    return parts
  }

  /** Ends the block that is open; a call is told whole. */
  end(): LanguageModelV4StreamPart[] {
    const { block } = this
    this.block = undefined
    if (!block) return []
    const ended: LanguageModelV4StreamPart = { type: `${block.type}-end`, id: block.id }
    if (block.type !== 'tool-input') return [ended]
    return [ended, { type: 'tool-call', toolCallId: block.id, toolName: block.name, input: block.input }]
  }
}

export function contentOf({ text, reasoning = '', toolCalls = [] }: GenerateResult): LanguageModelV4Content[] {
  return [
    ...(reasoning === '' ? [] : [{ type: 'reasoning' as const, text: reasoning }]),
    ...(text === '' ? [] : [{ type: 'text' as const, text }]),
    ...toolCalls.map(({ id, name, arguments: input }) => ({
      type: 'tool-call' as const,
      toolCallId: id,
      toolName: name,
      input,
    })),
  ]
}

export interface CallEnding {
  finishReason: LanguageModelV4FinishReason
  usage: LanguageModelV4Usage
  providerMetadata: SharedV4ProviderMetadata
}

export function endingOf(result: GenerateResult): CallEnding {
  const { finishReason: raw, promptTokens: total, cachedTokens, completionTokens, reasoning, seed, stop } = result
  // Tokens of reasoning are not counted apart.
  const text = reasoning === undefined ? completionTokens : undefined
  const logprobs = result.logprobs?.map(({ top, ...token }) => ({ ...withoutBytes(token), top: top.map(withoutBytes) }))
  return {
    finishReason: { unified: UNIFIED[raw], raw },
    usage: {
      inputTokens: { total, noCache: total - cachedTokens, cacheRead: cachedTokens, cacheWrite: undefined },
      outputTokens: { total: completionTokens, text, reasoning: reasoning === undefined ? 0 : undefined },
    },
    providerMetadata: {
      cria: {
        seed,
        timings: { ...result.timings },
        ...(stop !== undefined && { stop }),
        ...(logprobs && { logprobs }),
      },
    },
  }
}

/** Metadata is JSON. */
function withoutBytes({ id, text, logprob }: { id: number; text: string; logprob: number }) {
  return { id, text, logprob }
}

/** Of a stream that failed on its way. */
export const FAILED = {
  type: 'finish',
  finishReason: { unified: 'error', raw: undefined },
  usage: {
    inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: undefined, text: undefined, reasoning: undefined },
  },
} as const satisfies LanguageModelV4StreamPart
