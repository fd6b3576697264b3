/** What a message has to be, for a grammar: reasoning, then content or calls, whose arguments fit the tools' schemas. */

import { isObject } from '../chat/messages.ts'
import { openingsOf } from '../chat/output/calls.ts'
import { BARE_CALLS } from '../chat/output/detect.ts'
import { type CallFormat, type OutputFormat, preservedTexts, wordsOf } from '../chat/output/format.ts'
import type { ChatTool } from '../chat/output/tools.ts'
import { resolve, valuesOf } from '../chat/output/values.ts'
import { type GrammarPart, type GrammarSource, partOf } from './source.ts'

export interface MessageGrammarOptions {
  format: OutputFormat
  /** Those that may be called. */
  tools: readonly ChatTool[]
  /** A call has to come. */
  required: boolean
  /** Most calls of a message. */
  most: number
  /** What the content has to be. */
  content?: GrammarSource | undefined
  /** The prompt has begun the reasoning. */
  inReasoning: boolean
}

/** Blanks, of which there may be a few. */
const BLANK = '[ \\n]{0,4}'
const BLANKS: GrammarPart = { regex: BLANK }
const EMPTY = ''

/** The grammar of a message; undefined where anything may come. */
export function messageGrammar(options: MessageGrammarOptions): GrammarSource | undefined {
  const { format, tools, content } = options
  if (tools.length === 0 && !content) return undefined
  const { layout, reasoning } = format
  // Content alone, where no reasoning can come before it.
  if (tools.length === 0 && layout === 'plain' && !reasoning) return content
  const parts = { plain: plain, channels: channels, recipients: recipients }[layout](options)
  return { parts, marks: preservedTexts(format) }
}

function plain({ format, tools, required, most, content, inReasoning }: MessageGrammarOptions): GrammarPart {
  const { reasoning, answer } = format
  const calls = format.calls ?? (required ? BARE_CALLS : undefined)
  const callable = calls && tools.length > 0 ? calls : undefined
  const called = callable && callsPart(callable, tools, most)
  const isFixed = required || content !== undefined
  const fixed = content && {
    all: [answer ? { any: [answer[0], EMPTY] } : EMPTY, partOf(content), answer ? { any: [answer[1], EMPTY] } : EMPTY],
  }
  const text: GrammarPart = callable ? { all: [freeBefore(callable, tools), { any: [EMPTY, called!] }] } : { until: [] }
  const rest: GrammarPart = required ? called! : fixed ? (called ? { any: [fixed, called] } : fixed) : text
  if (!reasoning) return rest
  const [open, close] = reasoning
  const after: GrammarPart = { all: [close, isFixed ? BLANKS : EMPTY, rest] }
  // Reasoning may end a message of which nothing is asked.
  const thought: GrammarPart = { all: [{ until: [close] }, isFixed ? after : { any: [EMPTY, after] }] }
  return inReasoning ? thought : { any: [{ all: [open, thought] }, rest] }
}

/** Text in which no call begins. */
function freeBefore(format: CallFormat, tools: readonly ChatTool[]): GrammarPart {
  const openings = openingsOf(format)
  if (openings[0] !== '{') return { until: openings }
  // An object of JSON is a call where it begins as one.
  const names = tools.map(({ name }) => escaped(name)).join('|')
  return { until: [], patterns: [`\\{${BLANK}${member(format.keys?.name ?? 'name')}"(${names})"`] }
}

/** One call, or several. */
function callsPart(format: CallFormat, tools: readonly ChatTool[], most: number): GrammarPart {
  const {
    section,
    call: [open, close],
    kind,
  } = format
  const body: GrammarPart = { any: tools.map((tool) => bodyPart(format, tool)) }
  const words = wordsOf(open)
  const begin = marked(open)
  // As models write it too.
  const opening: GrammarPart = kind === 'tagged' && words.length > 1 ? { any: [begin, words.at(-1)!] } : begin
  const closing: GrammarPart = { all: wordsOf(close).flatMap((word) => [BLANKS, word]) }
  const one: GrammarPart = { all: [opening, words.length > 0 ? BLANKS : EMPTY, body, closing] }
  const comma: GrammarPart =
    section && !open ? { all: [BLANKS, ',', BLANKS] } : !section && !open ? { regex: ',? ?\\n?' } : BLANKS
  const several: GrammarPart = most > 1 ? { all: [one, { some: { all: [comma, one] }, max: most - 1 }] } : one
  if (!section) return several
  return { all: [section[0], BLANKS, several, BLANKS, section[1]] }
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
const quoted = (text: string) => escaped(JSON.stringify(text))
/** A key of an object and its colon, as a pattern. */
const member = (key: string) => `${quoted(key)}${BLANK}:${BLANK}`

/** A call of one tool, without the marks around it. */
function bodyPart(format: CallFormat, tool: ChatTool): GrammarPart {
  const {
    kind,
    keys = BARE_CALLS.keys!,
    afterName = '',
    beforeId,
    counted,
    argument = ['', '', ''],
    padding = '',
  } = format
  const schema = argumentsPart(tool)
  const end: GrammarPart = { regex: `${BLANK}\\}` }
  if (kind === 'object') {
    const comma = `${BLANK},${BLANK}`
    const start = `\\{${BLANK}${member(keys.name)}${quoted(tool.name)}${comma}${member(keys.arguments)}`
    const id: GrammarPart = keys.id ? { regex: `${comma}${member(keys.id)}"[a-zA-Z0-9]{9}"` } : EMPTY
    return { all: [{ regex: start }, schema, id, end] }
  }
  if (kind === 'keyed') return { all: [{ regex: `\\{${BLANK}${member(tool.name)}` }, schema, end] }
  if (kind === 'named') {
    const id: GrammarPart = beforeId ? { all: [beforeId, { regex: '[a-zA-Z0-9]{9}' }] } : EMPTY
    const count: GrammarPart = counted ? { regex: ':[0-9]{1,3}' } : EMPTY
    return { all: [tool.name, count, id, BLANKS, afterName, BLANKS, schema] }
  }
  if (kind === 'python') {
    return {
      all: [
        tool.name,
        '(',
        members(tool, ', ', (key, each) => ({ all: [key, '=', pythonPart(tool, key, each)] })),
        ')',
      ],
    }
  }
  if (kind === 'gemma') {
    return { all: [tool.name, '{', members(tool, ',', (key, each) => ({ all: [key, ':', gemmaPart(each)] })), '}'] }
  }
  const [open, between, close] = argument
  const kinds = valuesOf(tool.schema)
  const value = (key: string, each: ArgumentSchema): GrammarPart =>
    kinds(key) === 'text' ? textPart(each.schema, padding + close) : valuePart(tool, key, each)
  const one = (key: string, each: ArgumentSchema): GrammarPart => ({
    all: [open, key, marked(between), padding, value(key, each), padding, close, BLANKS],
  })
  return { all: [tool.name, afterName, BLANKS, members(tool, EMPTY, one)] }
}

const argumentsPart = ({ name, schema }: ChatTool): GrammarPart => ({
  jsonSchema: schema,
  of: `the parameters of ${name}`,
})
const valuePart = ({ name }: ChatTool, key: string, { within }: ArgumentSchema): GrammarPart => ({
  jsonSchema: within,
  of: `the parameter ${key} of ${name}`,
})

/** A mark within which blanks may differ. */
function marked(mark: string): GrammarPart {
  return { all: wordsOf(mark).flatMap((word, i) => (i > 0 ? [BLANKS, word] : [word])) }
}

interface ArgumentSchema {
  /** Its own schema, references resolved. */
  schema: unknown
  /** The same within the tool's schema, whose definitions it may refer to. */
  within: unknown
}

/** The members of an object one by one, in the order of the schema; those that are not required may be missing. */
function members(
  tool: ChatTool,
  comma: string,
  write: (key: string, property: ArgumentSchema) => GrammarPart,
): GrammarPart {
  const { properties, required, $defs, definitions } = tool.schema
  const needed = new Set(Array.isArray(required) ? required : [])
  const all = Object.entries(isObject(properties) ? properties : {}).map(([key, schema]) => {
    const within = isObject(schema)
      ? { ...($defs !== undefined && { $defs }), ...(definitions !== undefined && { definitions }), ...schema }
      : schema
    const reference = isObject(schema) && typeof schema.$ref === 'string' ? resolve(tool.schema, schema.$ref) : schema
    return { key, isNeeded: needed.has(key), part: write(key, { schema: reference, within }) }
  })
  // From the end: what may follow with nothing before it, and with something.
  let [first, next]: [GrammarPart, GrammarPart] = [EMPTY, EMPTY]
  for (const { isNeeded, part } of all.reverse()) {
    const [withFirst, withNext]: [GrammarPart, GrammarPart] = [{ all: [part, next] }, { all: [comma, part, next] }]
    first = isNeeded ? withFirst : { any: [withFirst, first] }
    next = isNeeded ? withNext : { any: [withNext, next] }
  }
  return first
}

/** A text without quotes, up to its mark. */
function textPart(schema: unknown, end: string): GrammarPart {
  if (!isObject(schema)) return { until: [end] }
  const values = 'const' in schema ? [schema.const] : Array.isArray(schema.enum) ? schema.enum : undefined
  if (values) return { any: values.filter((value) => typeof value === 'string') }
  const { minLength = 0, maxLength, pattern } = schema
  if (typeof pattern === 'string') return { until: [end], like: `[^]*(?:${pattern})[^]*` }
  if (minLength === 0 && maxLength === undefined) return { until: [end] }
  return { until: [end], like: `[^]{${minLength},${maxLength ?? ''}}` }
}

/** Values of Python's, as JSON has them but for its three words. */
function pythonPart(tool: ChatTool, key: string, property: ArgumentSchema): GrammarPart {
  const { schema } = property
  const type = isObject(schema) ? schema.type : undefined
  if (type === 'boolean') return { any: ['True', 'False'] }
  if (type === 'null') return 'None'
  return valuePart(tool, key, property)
}

const GEMMA_QUOTE = '<|"|>'

function gemmaPart({ schema, within }: ArgumentSchema): GrammarPart {
  if (!isObject(schema)) return { jsonSchema: within }
  const { type, items, properties } = schema
  const kind = valuesOf({ properties: { value: schema } })('value')
  if (kind === 'text') return { all: [GEMMA_QUOTE, textPart(schema, GEMMA_QUOTE), GEMMA_QUOTE] }
  if (type === 'array' && isObject(items)) {
    const item = gemmaPart({ schema: items, within: items })
    return { all: ['[', { any: [EMPTY, { all: [item, { some: { all: [',', item] } }] }] }, ']'] }
  }
  if (type === 'object' && isObject(properties)) {
    const tool = { name: '', schema }
    return { all: ['{', members(tool, ',', (key, each) => ({ all: [key, ':', gemmaPart(each)] })), '}'] }
  }
  return { jsonSchema: within }
}

/** gpt-oss: parts with headers. */
function channels({ tools, required, most, content }: MessageGrammarOptions): GrammarPart {
  const text: GrammarPart = { until: ['<|start|>', '<|end|>', '<|channel|>'] }
  const next = '<|end|><|start|>assistant'
  const analysis: GrammarPart = { all: ['<|channel|>analysis<|message|>', text] }
  const comment: GrammarPart = { all: ['<|channel|>commentary<|message|>', text] }
  const call: GrammarPart = {
    any: tools.flatMap((tool) => {
      const { name } = tool
      const end: GrammarPart = { all: ['<|message|>', argumentsPart(tool)] }
      const kind: GrammarPart = { any: [' <|constrain|>json', ' json', EMPTY] }
      return [
        { all: [`<|channel|>commentary to=functions.${name}`, kind, end] },
        { all: [` to=functions.${name}<|channel|>commentary`, kind, end] },
      ]
    }),
  }
  const called: GrammarPart = { all: [call, { some: { all: [next, call] }, max: most - 1 }] }
  const final: GrammarPart = { all: ['<|channel|>final<|message|>', content ? partOf(content) : text] }
  const last: GrammarPart = tools.length === 0 ? final : required ? called : { any: [final, called] }
  return { all: [{ some: { all: [{ any: [analysis, comment] }, next] } }, last] }
}

/** Functionary 3.2: parts that begin with whom they are for. */
function recipients({ tools, required, most, content }: MessageGrammarOptions): GrammarPart {
  const call: GrammarPart = { any: tools.map((tool) => ({ all: [tool.name, '\n', argumentsPart(tool)] })) }
  const called: GrammarPart = { all: [call, { some: { all: ['>>>', call] }, max: most - 1 }] }
  const said: GrammarPart = { all: ['all\n', content ? partOf(content) : { until: ['>>>'] }] }
  if (tools.length === 0) return said
  if (required) return called
  return { any: [called, content ? said : { all: [said, { any: [EMPTY, { all: ['>>>', called] }] }] }] }
}
