/** Answers that call tools, until one calls none. */
import { ToolError, throwIfAborted } from '../errors.ts'
import { checkSignal } from '../source/check.ts'
import { underAny } from '../util/abort.ts'
import { plain } from '../util/caller.ts'
import { checkOptions, invalid, type OptionNames } from '../util/check.ts'
import { messageOf } from './chat.ts'
import { RunningGeneration } from './generation.ts'
import { CHAT_OPTIONS } from './options.ts'
import type { ChatMessage, Model, RunnableTool, RunToolsOptions, ToolCall, ToolRun, ToolRunResult } from './types.ts'

const DEFAULT_ROUNDS = 10

const { tools: _, ...CHAT } = CHAT_OPTIONS
const OPTIONS: OptionNames<RunToolsOptions> = { ...CHAT, maxRounds: true }

/** See `Model.runTools`. */
export function runTools(
  model: Model,
  messages: readonly ChatMessage[],
  tools: readonly RunnableTool[],
  options: RunToolsOptions,
): ToolRun {
  checkOptions(options, OPTIONS)
  const { maxRounds = DEFAULT_ROUNDS, ...chat } = options
  if (!Number.isInteger(maxRounds) || maxRounds < 1)
    throw invalid('maxRounds', 'a whole number of at least 1', maxRounds)
  if ((chat.n ?? 1) > 1) throw invalid('n', '1 where tools are run', chat.n)
  const runners = runnersOf(tools)
  // Functions stay here: a template is given what it may show.
  const described = tools.map(({ execute: _, ...tool }) =>
    'function' in tool ? tool : { type: 'function', function: tool },
  )
  const turns = [...plain(messages)]
  const stopped = new AbortController()
  return new RunningGeneration<ToolRunResult>({
    run: async (onPart) => {
      checkSignal(chat.signal)
      return underAny([chat.signal, stopped.signal], async (signal) => {
        for (let round = 1; ; round++) {
          throwIfAborted(signal, 'Generation')
          // A call that is asked for once is not asked for again.
          const toolChoice = round > 1 && chat.toolChoice !== 'none' ? 'auto' : chat.toolChoice
          const options = { ...chat, signal, tools: described, ...(toolChoice && { toolChoice }) }
          const generation = model.chat(turns, options)
          for await (const part of generation.deltas()) onPart(part)
          const result = await generation.result()
          turns.push(messageOf(result))
          const { toolCalls = [], finishReason } = result
          if (finishReason !== 'tool_calls') return { ...result, messages: turns }
          if (round === maxRounds) {
            const message = `The model has called tools ${maxRounds} times without an answer. Raise maxRounds, or ask for less.`
            throw new ToolError('TOO_MANY_ROUNDS', message, turns)
          }
          turns.push(...(await Promise.all(toolCalls.map((call) => resultOf(call, runners, signal)))))
        }
      })
    },
    stop: () => stopped.abort(),
  })
}

function runnersOf(tools: readonly RunnableTool[]): Map<string, RunnableTool['execute']> {
  if (!Array.isArray(tools)) throw invalid('tools', 'an array of tools with execute', tools)
  return new Map(
    tools.map((tool: RunnableTool) => {
      const name = 'function' in tool ? tool.function.name : tool.name
      if (typeof tool.execute !== 'function') throw invalid(`execute of the tool ${name}`, 'a function', tool.execute)
      return [name, tool.execute]
    }),
  )
}

async function resultOf(
  call: ToolCall,
  runners: ReadonlyMap<string, RunnableTool['execute']>,
  signal: AbortSignal,
): Promise<ChatMessage> {
  const { id, name } = call
  const value = await runners.get(name)!(JSON.parse(call.arguments), { id, signal })
  const content = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return { role: 'tool', tool_call_id: id, name, content }
}
