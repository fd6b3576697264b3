/** Reads calls in the formats of models, as their text comes. */
import { type CallFormat, wordsOf } from './format.ts'
import type { Scanner, ScanStep } from './scanner.ts'
import { type Bracketing, members } from './script.ts'
import { type ArgumentKind, escaped, jsonValue, PYTHON_WORDS, valuesOf } from './values.ts'

/** A call as far as it has been read. */
export interface ReadCall {
  name: string
  /** The text of the arguments: JSON, once the call is whole. */
  arguments: string
  /** Where the model gave one. */
  id?: string
  /** It has ended. */
  whole: boolean
}

/** Who gets the calls. */
export interface CallSink {
  readonly calls: readonly ReadCall[]
  begin(name: string, id?: string): ReadCall
}

/** The texts at which calls may begin. */
export function openingsOf({ kind, section, call }: CallFormat): string[] {
  const words = wordsOf(section?.[0] || call[0])
  if (words.length === 0) return kind === 'object' ? ['{'] : []
  // Models leave out a mark around that of the call.
  return kind === 'tagged' && !section ? [...new Set([words[0]!, words.at(-1)!])] : [words[0]!]
}

/** Reads a section of calls, or a call of its own. false, with nothing taken, where there is none. */
export function* readCalls(
  out: CallSink,
  scanner: Scanner,
  format: CallFormat,
  tools: ReadonlyMap<string, unknown>,
): ScanStep<boolean> {
  const { section } = format
  const start = scanner.at
  const before = out.calls.length
  if (section && !(yield* scanner.mark(section[0]))) return false
  while (yield* readCall(out, scanner, format, tools)) {
    if (!section) return true
    yield* scanner.skipBlanks(',;')
    if (section[1] && (yield* scanner.mark(section[1]))) return true
  }
  if (out.calls.length > before) return true
  scanner.at = start
  return false
}

/** Reads one call. false, with nothing taken, where there is none. */
function* readCall(
  out: CallSink,
  scanner: Scanner,
  format: CallFormat,
  tools: ReadonlyMap<string, unknown>,
): ScanStep<boolean> {
  const {
    kind,
    call: [open, close],
  } = format
  const start = scanner.at
  const inner = open.split(/\s+/).at(-1)!
  if ((yield* scanner.mark(open)) || (kind === 'tagged' && (yield* scanner.mark(inner)))) {
    const call = yield* BODIES[kind](out, scanner, format, tools)
    if (call) {
      if (close) yield* scanner.mark(close)
      call.whole = true
      return true
    }
  }
  scanner.at = start
  return false
}

type CallBody = (
  out: CallSink,
  scanner: Scanner,
  format: CallFormat,
  tools: ReadonlyMap<string, unknown>,
) => ScanStep<ReadCall | undefined>

/** A text of JSON as its value. */
function unquoted(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

/** Reads a value of JSON whole; an empty text where there is none. */
function* wholeJson(scanner: Scanner): ScanStep<string> {
  let text = ''
  yield* jsonValue(scanner, (part) => {
    text += part
  })
  return text
}

/** Reads an object of JSON as the arguments of a call: the brace that opens it is there already. */
export function* objectInto(scanner: Scanner, call: ReadCall): ScanStep<void> {
  if ((yield* scanner.peek()) !== '{') return
  let held = ''
  let first = true
  yield* jsonValue(scanner, (part) => {
    const text = held + (first ? part.slice(1) : part)
    first = false
    const end = text.trimEnd().length
    call.arguments += text.slice(0, end)
    held = text.slice(end)
  })
}

const NAMES = ['name', 'function', 'tool_name']
const ARGUMENTS = ['arguments', 'parameters', 'args']
const IDS = ['id', 'tool_call_id', 'call_id']
const OTHERS = ['type', 'index']

const object: CallBody = function* (out, scanner, { keys }, tools) {
  if ((yield* scanner.peek()) !== '{') return undefined
  scanner.at++
  let call: ReadCall | undefined
  let early: string | undefined
  let id: string | undefined
  for (;;) {
    yield* scanner.skipBlanks(',')
    const next = scanner.text[scanner.at]
    if (next === '}') {
      scanner.at++
      return call
    }
    if (next !== '"') return call
    const key = unquoted(yield* wholeJson(scanner)) ?? ''
    const known = [keys?.name, keys?.arguments, keys?.id, ...NAMES, ...ARGUMENTS, ...IDS, ...OTHERS].includes(key)
    if (!call && !known) return undefined
    if (!(yield* scanner.mark(':')) || (yield* scanner.peek()) === undefined) return call
    const isName = key === keys?.name || (NAMES.includes(key) && key !== keys?.arguments)
    const isArguments = key === keys?.arguments || ARGUMENTS.includes(key)
    if (isName && !call) {
      const name = unquoted((yield* scanner.peek()) === '"' ? yield* wholeJson(scanner) : '')
      if (name === undefined || !tools.has(name)) return undefined
      call = out.begin(name, id)
      if (early !== undefined) call.arguments = early
    } else if (isArguments && call && early === undefined && (yield* scanner.peek()) === '{') {
      yield* objectInto(scanner, call)
      early = ''
    } else {
      const text = yield* wholeJson(scanner)
      const value = unquoted(text)
      if (isArguments && early === undefined) {
        early = value ?? text
        if (call) call.arguments = early
      } else if (key === keys?.id || IDS.includes(key)) {
        id = value ?? text
        if (call) call.id = id
      } else if (text === '') return call
    }
  }
}

const keyed: CallBody = function* (out, scanner, _, tools) {
  if ((yield* scanner.peek()) !== '{') return undefined
  scanner.at++
  if ((yield* scanner.peek()) !== '"') return undefined
  const name = unquoted(yield* wholeJson(scanner))
  if (name === undefined || !tools.has(name)) return undefined
  const call = out.begin(name)
  if (yield* scanner.mark(':')) yield* objectInto(scanner, call)
  yield* scanner.mark('}')
  return call
}

/** A name that some marks end, with what stands around it taken off. */
export function* nameBefore(scanner: Scanner, marks: string[]): ScanStep<string | undefined> {
  let name = ''
  const mark = yield* scanner.until(marks, (text) => {
    name += text
  })
  return mark === undefined ? undefined : name.trim()
}

const named: CallBody = function* (out, scanner, { afterName = '', beforeId = '', counted }, tools) {
  const found = yield* nameBefore(scanner, [beforeId, afterName, '{'].filter(Boolean))
  const name = counted ? found?.replace(/^functions\.|:\d+$/g, '') : found
  if (name === undefined || !tools.has(name)) return undefined
  let id = counted ? found : undefined
  if (beforeId && (yield* scanner.mark(beforeId))) id = yield* nameBefore(scanner, [afterName, '{'])
  const call = out.begin(name, id)
  yield* scanner.mark(afterName)
  yield* objectInto(scanner, call)
  return call
}

const tagged: CallBody = function* (out, scanner, format, tools) {
  const {
    afterName = '',
    argument = ['', '', ''],
    padding = '',
    call: [, close],
  } = format
  const [open, between, end] = argument
  const name = yield* nameBefore(scanner, [afterName, open, close].filter(Boolean))
  if (name === undefined || !tools.has(name)) return undefined
  const call = out.begin(name)
  if (afterName) yield* scanner.mark(afterName)
  const schemas = valuesOf(tools.get(name))
  while (yield* scanner.mark(open)) {
    const key = yield* nameBefore(scanner, [between])
    if (key === undefined) return call
    yield* scanner.take(between)
    if (padding && !(yield* scanner.take(padding)) && scanner.starved) return call
    call.arguments += `${call.arguments.length > 1 ? ',' : ''}${JSON.stringify(key)}:`
    yield* taggedValue(scanner, call, schemas(key), padding, end)
  }
  const { at } = scanner
  if (yield* scanner.mark(close.split(/\s+/, 1)[0]!)) call.arguments += '}'
  scanner.at = at
  return call
}

/** A value between marks: text as it is where the schema wants one, else JSON. */
function* taggedValue(
  scanner: Scanner,
  call: ReadCall,
  kind: ArgumentKind,
  padding: string,
  close: string,
): ScanStep<void> {
  const end = padding + close
  if (kind === 'text') {
    // As llama.cpp shows it.
    if (!padding && !(yield* scanner.has())) return
    call.arguments += '"'
    const mark = yield* scanner.until([end], (text) => {
      call.arguments += escaped(text)
    })
    if (mark === undefined || !(yield* scanner.take(end))) return
    if (padding && !(yield* scanner.has())) return
    call.arguments += '"'
    return
  }
  if (kind === 'json' && /[{["\dtfn-]/.test((yield* scanner.peek()) ?? '')) {
    yield* jsonValue(scanner, (part) => {
      call.arguments += part
    })
    yield* scanner.mark(end.trim())
    return
  }
  let text = ''
  const mark = yield* scanner.until([end], (part) => {
    text += part
  })
  if (mark === undefined) return
  yield* scanner.take(end)
  let json = PYTHON_WORDS[text.trim()] ?? text
  try {
    JSON.parse(json)
  } catch {
    json = JSON.stringify(text)
  }
  call.arguments += json
}

/** A name, then arguments in brackets, each with its name. */
function written(open: string, style: Bracketing): CallBody {
  return function* (out, scanner, _, tools) {
    const name = yield* nameBefore(scanner, [open])
    if (name === undefined || !tools.has(name)) return undefined
    const call = out.begin(name)
    scanner.at += open.length
    const add = (text: string): void => {
      call.arguments += text
    }
    yield* members(scanner, add, style)
    return call
  }
}

const BODIES: Record<CallFormat['kind'], CallBody> = {
  object,
  keyed,
  named,
  tagged,
  python: written('(', { equals: '=', close: ')', quote: '' }),
  gemma: written('{', { equals: ':', close: '}', quote: '<|"|>' }),
}
