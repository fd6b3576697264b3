/** Finds how a model writes its output: by rendering messages with its template, and reading the marks around known texts. */
import { type RenderProbe, user } from '../caps.ts'
import type { ChatTemplate } from '../compiled.ts'
import { GPT_OSS, hasMarks } from '../families.ts'
import { fit } from '../fit.ts'
import { isObject, type Message } from '../messages.ts'
import type { CallFormat, Marks, OutputFormat } from './format.ts'

const LFM2: CallFormat = { kind: 'python', section: ['<|tool_call_start|>[', ']<|tool_call_end|>'], call: ['', ''] }

/** Known formats that templates do not show. The first whose texts, parted by blanks, all stand in the template counts. */
const CALLS: readonly [marks: string, format: CallFormat][] = [
  ['<|tool_list_start|>', LFM2],
  ['List of tools:', LFM2],
  ["'<|tool_call>call:'", { kind: 'gemma', call: ['<|tool_call>call:', '<tool_call|>'] }],
]

/** Of templates that never write calls, by what they tell the model. */
const TOLD: readonly [marks: string, format: CallFormat][] = [
  ['<|tool_call|>', { ...objectCalls(['', '']), section: ['<|tool_call|>[', ']'] }],
  // The most common way, for models that have heard of tools.
  ['tool', objectCalls(['<tool_call>', '</tool_call>'])],
]

/** Reasoning that is not shown as `reasoning_content`. */
const REASONING: readonly [marks: string, format: Marks][] = [
  ['<|inner_prefix|>', ['<|inner_prefix|>', '<|inner_suffix|>']],
]

function objectCalls(call: Marks): CallFormat {
  return { kind: 'object', call, keys: { name: 'name', arguments: 'arguments' } }
}

/** Calls where the template knows none. */
export const BARE_CALLS: CallFormat = objectCalls(['', ''])

const found = new WeakMap<ChatTemplate, OutputFormat>()

/** The format of a template, which is found once. */
export function formatOf(template: ChatTemplate): OutputFormat {
  let format = found.get(template)
  if (!format) {
    format = findFormat(template)
    found.set(template, format)
  }
  return format
}

function findFormat(template: ChatTemplate): OutputFormat {
  const { source } = template
  const by = <T>(rows: readonly [string, T][]): T | undefined => rows.find(([marks]) => hasMarks(source, marks))?.[1]
  if (source.includes(GPT_OSS)) return { layout: 'channels', reasoning: ['<|channel|>analysis<|message|>', '<|end|>'] }
  if (hasMarks(source, '>>>all >>>${recipient')) return { layout: 'recipients' }
  const { think = '', answer = '' } = template.family ?? template.reasoning()
  const close = answer.trim()
  const open = think.trim() || (close.startsWith('</') ? close.replace('/', '') : '')
  const reasoning = by(REASONING) ?? (open && close ? ([open, close] as const) : undefined)
  const calls = by(CALLS) ?? callsOf(template) ?? by(TOLD)
  return {
    layout: 'plain',
    reasoning,
    answer: reasoning && source.includes('<response>') ? ['<response>', '</response>'] : undefined,
    calls,
  }
}

const NAMES = ['FIRST_FUNCTION', 'SECOND_FUNCTION'] as const
const IDS = ['idOfCall1', 'idOfCall2'] as const
const KEYS = ['FIRST_ARGUMENT', 'SECOND_ARGUMENT'] as const
const VALUE = 'FIRST_VALUE'
const NUMBER = 70905
const GIVEN = { [KEYS[0]]: VALUE, [KEYS[1]]: NUMBER }
const CONTENT = 'CONTENT_OF_THE_ANSWER'
const TOOLS = NAMES.map((name) => {
  const properties = { [KEYS[0]]: { type: 'string', description: '' }, [KEYS[1]]: { type: 'number', description: '' } }
  return { type: 'function', function: { name, description: '', parameters: { type: 'object', properties } } }
})

/** Renders an answer behind a question. */
function shower(template: ChatTemplate): (answer: object) => string {
  const probe: RenderProbe = (messages, variables) => template.probe(fit(messages as Message[], template), variables)
  return (answer) =>
    probe([user('U'), { role: 'assistant', ...answer }], { tools: TOOLS, add_generation_prompt: false }) ?? ''
}

function callsOf(template: ChatTemplate): CallFormat | undefined {
  const show = shower(template)
  const plain = show({ content: CONTENT })
  const at = plain.indexOf(CONTENT)
  const [header, tail] = at < 0 ? ['', ''] : [plain.slice(0, at), plain.slice(at + CONTENT.length).trim()]
  const written = (args: unknown, content: unknown, count: number): string | undefined => {
    const calls = NAMES.slice(0, count).map((name, i) => {
      return { id: IDS[i], type: 'function', function: { name, arguments: args } }
    })
    const text = show({ content, tool_calls: calls })
    if (!NAMES.slice(0, count).every((name) => text.includes(name))) return undefined
    const turn = text.slice(commonPrefix(text, header).length)
    const end = tail ? turn.indexOf(tail, turn.lastIndexOf(NAMES[count - 1]!)) : -1
    return end < 0 ? turn : turn.slice(0, end)
  }
  for (const content of ['', null]) {
    for (const args of [GIVEN, JSON.stringify(GIVEN)]) {
      const one = written(args, content, 1)
      const format = one && readCalls(one, written(args, content, 2))
      if (format) return format
    }
  }
  return undefined
}

/** What stands around one call, and around two. */
function readCalls(one: string, two: string | undefined): CallFormat | undefined {
  const [first] = spansOf(one, 1)
  if (!first) return undefined
  const [before, after] = [one.slice(0, first.from), one.slice(first.to)]
  const spans = two === undefined ? [] : spansOf(two, 2)
  if (spans.length < 2) return { ...first.format, call: [before.trim(), after.trim()], single: true }
  const [a, b] = spans as [CallSpan, CallSpan]
  const between = two!.slice(a.to, b.from)
  const open = commonSuffix(before, between)
  const close = commonPrefix(after, between)
  const sectionOpen = before.slice(0, before.length - open.length).trim()
  const sectionClose =
    after.slice(close.length).trim() || (sectionOpen.includes('begin') ? sectionOpen.replace('begin', 'end') : '')
  const call: Marks = [open.trim(), close.trim()]
  return { ...first.format, call, section: sectionOpen ? [sectionOpen, sectionClose] : undefined }
}

/** A call in a text: from its name, or the object that holds it, to the end of its arguments. */
interface CallSpan {
  from: number
  to: number
  format: Omit<CallFormat, 'call' | 'section'>
}

function spansOf(text: string, count: number): CallSpan[] {
  const spans: CallSpan[] = []
  let from = 0
  for (const [i, name] of NAMES.slice(0, count).entries()) {
    const span = spanOf(text, from, name, IDS[i]!)
    if (!span) return []
    spans.push(span)
    from = span.to
  }
  return spans
}

function spanOf(text: string, from: number, name: string, id: string): CallSpan | undefined {
  const at = text.indexOf(name, from)
  if (at < 0) return undefined
  for (let brace = text.indexOf('{', from); brace >= 0; brace = text.indexOf('{', brace + 1)) {
    const json = jsonAt(text, brace)
    if (!json) continue
    const format =
      brace < at
        ? objectFormat(json.value, name, id)
        : isGiven(json.value) && namedFormat(text.slice(at + name.length, brace), id)
    if (format) return { from: Math.min(brace, at), to: json.end, format }
  }
  return taggedSpan(text, at, name)
}

/** The object of JSON that begins at a brace. */
function jsonAt(text: string, from: number): { value: Record<string, unknown>; end: number } | undefined {
  let depth = 0
  for (let end = from; end < text.length; end++) {
    if (text[end] === '{') depth++
    if (text[end] !== '}' || --depth > 0) continue
    try {
      const value: unknown = JSON.parse(text.slice(from, end + 1))
      return isObject(value) ? { value, end: end + 1 } : undefined
    } catch {
      return undefined
    }
  }
  return undefined
}

const isGiven = (value: unknown): boolean => isObject(value) && value[KEYS[0]] === VALUE && value[KEYS[1]] === NUMBER

function objectFormat(value: Record<string, unknown>, name: string, id: string): CallSpan['format'] | undefined {
  if (isGiven(value[name])) return { kind: 'keyed' }
  const keyOf = (is: (each: unknown) => boolean) => Object.keys(value).find((key) => is(value[key]))
  const [nameKey, argumentsKey] = [keyOf((each) => each === name), keyOf(isGiven)]
  if (nameKey === undefined || argumentsKey === undefined) return undefined
  return { kind: 'object', keys: { name: nameKey, arguments: argumentsKey, id: keyOf((each) => each === id) } }
}

function namedFormat(between: string, id: string): CallSpan['format'] {
  const [beforeId, afterId] = between.split(id)
  if (afterId !== undefined) return { kind: 'named', beforeId: beforeId!.trim(), afterName: afterId.trim() }
  const counted = /^:[01](?=\D)/.exec(between)
  return { kind: 'named', afterName: between.slice(counted?.[0].length ?? 0).trim(), ...(counted && { counted: true }) }
}

/** Each argument between marks: its name, then its value. */
function taggedSpan(text: string, at: number, name: string): CallSpan | undefined {
  const places = [KEYS[0], VALUE, KEYS[1], String(NUMBER)].map((each) => ({ each, at: text.indexOf(each, at) }))
  if (places.some(({ at: place }, i) => place < (places[i - 1]?.at ?? at))) return undefined
  const [k1, v1, k2, v2] = places as [(typeof places)[0], (typeof places)[0], (typeof places)[0], (typeof places)[0]]
  const gap = (a: { each: string; at: number }, b: { at: number }) => text.slice(a.at + a.each.length, b.at)
  const [head, between, middle] = [gap({ each: name, at }, k1), gap(k1, v1), gap(v1, k2)]
  const tag = middle.lastIndexOf('<')
  if (tag < 0 || !head.endsWith(middle.slice(tag)) || gap(k2, v2) !== between) return undefined
  const open = middle.slice(tag)
  const close = middle.slice(0, tag)
  const padding = between.endsWith('\n') && close.startsWith('\n') ? '\n' : ''
  const end = text.indexOf(close.trim(), v2.at)
  if (end < 0) return undefined
  const trimmed = (mark: string) => (padding ? mark.replace(/\n$/, '') : mark)
  return {
    from: at,
    to: end + close.trim().length,
    format: {
      kind: 'tagged',
      afterName: head.slice(0, head.length - open.length).trim(),
      argument: [open, trimmed(between), close.trim()],
      padding,
    },
  }
}

/** Without a mark that is not whole. */
function commonPrefix(a: string, b: string): string {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  const common = a.slice(0, length)
  const mark = common.lastIndexOf('<')
  return length < a.length && mark > common.lastIndexOf('>') ? common.slice(0, mark) : common
}

/** The same. */
function commonSuffix(a: string, b: string): string {
  let length = 0
  while (length < a.length && a.at(-1 - length) === b.at(-1 - length)) length++
  const from = a.length - length
  const isWithin = a.lastIndexOf('<', from - 1) > a.lastIndexOf('>', from - 1) && from > 0
  return a.slice(isWithin ? a.indexOf('>', from) + 1 || a.length : from)
}
