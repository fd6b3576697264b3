/** What models write, parted into reasoning, content and calls: the shared vectors of llama.cpp, whole and cut, in pieces. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chatTurn } from '../../js/api/chat-output.ts'
import { compile } from '../../js/chat/compiled.ts'
import { openingsOf } from '../../js/chat/output/calls.ts'
import { formatOf } from '../../js/chat/output/detect.ts'
import { OutputReader } from '../../js/chat/output/reader.ts'
import type { GenerateResult } from '../../js/scheduler/types.ts'
import { shared, sharedTest } from '../shared.ts'

interface Parsed {
  error?: string
  content: string
  reasoning_content: string
  tool_calls: { name: string; arguments: string | object; id?: string }[]
}

interface Config {
  id: string
  tools?: string[]
  tool_choice?: string
  reasoning_format?: string
  json_schema?: unknown
  result?: {
    generation_prompt: string
    thinking_open: boolean
    supports_thinking: boolean
    thinking_start_tag: string
    thinking_end_tags: string[]
    grammar_triggers: { type: string; value: string }[]
  }
}

interface Parse {
  config: string
  about: string
  text: string
  partial: Parsed
  final: Parsed | 'same'
  dispute?: boolean
  reason?: string
  meant?: Parsed
}

interface Vector {
  name: string
  template: string
  tools: Record<string, { function: { name: string; parameters?: unknown } }>
  configs: Config[]
  parses: Parse[]
}

function vectors(): Vector[] {
  const folder = shared('vectors', 'tools')
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return files.map((name) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')))
}

/** Blanks outside strings taken out. */
const dense = (json: string) => json.replace(/("(?:[^"\\]|\\.)*(?:"|$))|\s+/g, '$1')
const comparable = (message: Parsed, whole: boolean) => ({
  content: message.content.trim(),
  reasoning: message.reasoning_content.trim(),
  calls: message.tool_calls.map(({ name, arguments: args, id }) => {
    const text = typeof args === 'string' ? args : JSON.stringify(args)
    let value: unknown = dense(text)
    try {
      if (whole) value = JSON.parse(text)
    } catch {}
    return [name, value, ...(whole && id ? [id] : [])]
  }),
})

/** Where the turn that a prompt has begun has its text. */
const MARKS = [
  '>>>',
  '<|start|>assistant',
  '</think>',
  'assistant\n',
  '<|turn>model\n',
  '<start_of_turn>model\n',
  'assistant|>\n',
  'end_header_id|>',
  'end_of_role|>',
  '[/INST]',
]
const endOf = (text: string, mark: string) => (text.includes(mark) ? text.lastIndexOf(mark) + mark.length : 0)

function reader(
  vector: Vector,
  config: Config,
  withIds: boolean,
): (text: string, end: boolean, cut: boolean) => Parsed {
  const { result, tools = [], tool_choice: choice, reasoning_format: kind } = config
  const named = tools.map((name) => vector.tools[name]!.function)
  const reads = named.length > 0 && choice !== 'none'
  return (text, end, cut) => {
    const out = new OutputReader({
      format: formatOf(compile(vector.template)),
      tools: reads ? new Map(named.map(({ name, parameters }) => [name, parameters])) : undefined,
      begun: result?.thinking_open ? `${result.thinking_start_tag}\n` : undefined,
      keepReasoning: kind === 'none',
      json: config.json_schema !== undefined,
    })
    // A message that was begun is part of what is told.
    const prompt = result?.generation_prompt ?? ''
    const begun = config.id === 'continue' ? prompt.slice(Math.max(...MARKS.map((mark) => endOf(prompt, mark)))) : ''
    for (const piece of [begun, ...text]) out.push(piece)
    if (end) out.end(cut)
    return {
      content: out.content,
      reasoning_content: out.reasoning,
      tool_calls: out.calls.map(({ name, arguments: args, id }) => ({
        name,
        arguments: args,
        ...(withIds && id && { id }),
      })),
    }
  }
}

/** Where llama.cpp loses something, or shows it at another time. */
const EXCEPTIONS: readonly [RegExp, string][] = [
  [/ \| (unknown tool|one call, text after it)$/, 'llama.cpp loses the message, or the text'],
  [/ \| auto1 \| (broken JSON|missing required|optional argument|unknown argument)/, 'llama.cpp loses the call'],
  [/ \| required3 \| broken JSON/, 'the same'],
  [/^openai-gpt-oss.* \| (two calls|reasoning, text and three calls)$/, 'llama.cpp loses the second call'],
  [/^openai-gpt-oss.* \| (off|plain) \| (one call|two reasoning)/, 'llama.cpp loses a part for nobody'],
  [/ \| (none|rawtools) \| .*\(cut at \d+\)$/, 'cut within a mark, whose beginning is shown when the mark is whole'],
  [/^Apertus/, 'llama.cpp knows no reasoning of this template'],
  [/^ibm-granite-granite-3.3.* \| two reasoning/, 'llama.cpp shows marks of the answer'],
  [
    /^(ibm-granite-granite-3.3|HuggingFaceTB-SmolLM3|.*R1-Distill-Llama).* \| text that looks/,
    'it may be the beginning of a call, which llama.cpp does not know',
  ],
  [/^LFM2.* \| continue/, 'llama.cpp shows marks around no reasoning as text'],
]

sharedTest('formats are found: marks of reasoning, and of calls', () => {
  for (const vector of vectors()) {
    const format = formatOf(compile(vector.template))
    for (const { id, result } of vector.configs) {
      if (!result) continue
      const place = `${vector.name} ${id}`
      const { thinking_start_tag: open, thinking_end_tags: closes, grammar_triggers: triggers } = result
      if (result.supports_thinking && open) {
        assert.is(format.reasoning?.[0], open.trim(), place)
        assert.ok(closes.map((close) => close.trim()).includes(format.reasoning![1]), place)
      }
      if (format.layout !== 'plain') continue
      const openings = format.calls ? openingsOf(format.calls) : []
      for (const { value } of triggers)
        assert.ok(
          openings.some((opening) => value.startsWith(opening) || opening.startsWith(value)),
          place,
        )
    }
  }
})

sharedTest('outputs of the vectors are parsed as llama.cpp does, or as they were meant', () => {
  const wrong: string[] = []
  let compared = 0
  for (const vector of vectors()) {
    const configs = new Map(vector.configs.map((config) => [config.id, config]))
    const disputed = new Set(
      vector.parses
        .filter(({ dispute, final }) => dispute || (final !== 'same' && final.error))
        .map(({ config, about }) => `${config} ${about}`),
    )
    // What it does not know as a call it shows as text, whether or not the vectors say that this is disputed.
    const unread = vector.parses.some(({ reason }) => reason?.includes('knows no calls'))
    for (const parse of vector.parses) {
      const { config, about, text, partial, final, meant } = parse
      const isCut = / \(cut at \d+\)$/.test(about)
      if (isCut && disputed.has(`${config} ${about.replace(/ \(cut at \d+\)$/, '')}`)) continue
      const wanted = [
        ...(parse.dispute || partial.error ? [] : [[partial, false] as const]),
        ...(parse.dispute
          ? meant
            ? [[meant, true] as const]
            : []
          : [[final === 'same' ? partial : final, true] as const]),
      ].filter(([message]) => !message.error && !(final !== 'same' && final.error && !parse.dispute))
      for (const [message, end] of wanted) {
        const withIds = message.tool_calls.some(({ id }) => id !== undefined)
        const read = reader(vector, configs.get(config)!, withIds)(
          text,
          end,
          isCut || about === 'a call whose end is missing',
        )
        const [got, want] = [comparable(read, end), comparable(message, end)].map((each) => JSON.stringify(each))
        compared++
        const place = `${vector.name} | ${config} | ${about}`
        if (
          got !== want &&
          !(unread && text.includes('tool') && !parse.dispute) &&
          !EXCEPTIONS.some(([where]) => where.test(place))
        )
          wrong.push(
            `${vector.name} | ${config} | ${about} | ${end ? 'whole' : 'partial'}${parse.dispute ? ' disputed' : ''}\n   text ${JSON.stringify(text).slice(-300)}\n   got  ${got}\n   want ${want}`,
          )
      }
    }
  }
  assert.ok(compared > 0)
  assert.is(wrong.length, 0, wrong.join('\n'))
})

test('a value is read behind reasoning that stays in the content', () => {
  const template = `{%- for m in messages %}[{{ m.role }}]{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}
{% endfor %}`
  const prompt = { text: '[assistant]', opening: () => '[assistant]', template }
  const ended = { finishReason: 'stop' } as GenerateResult
  for (const [reasoningFormat, text, reasoning] of [
    ['none', '<think>Hm.</think>\n\n12', undefined],
    ['auto', '12', 'Hm.'],
  ] as const) {
    const options = { reasoningFormat }
    const reader = chatTurn(prompt, options, { jsonSchema: { enum: [12] } }).reader()
    const deltas = [...'<think>Hm.</think>\n\n12'].flatMap((piece) => reader.push(piece))
    deltas.push(...reader.end(false))
    const result = reader.result(ended)
    assert.equal([result.text, result.reasoning, result.json], [text, reasoning, 12])
    assert.is(deltas.map(({ content = '' }) => content).join(''), text)
  }
})

test.run()
