/** Parts a model's output into reasoning, content and calls, as it comes. */
import type { CallFormat, OutputFormat } from './format.ts'
import { Scanner, type ScanStep } from './scanner.ts'
import { type ArgumentKind, jsonValue, valuesOf } from './values.ts'

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

export interface ReadMessage {
  content: string
  reasoning: string
  calls: ReadCall[]
}

export interface ReaderOptions {
  format: OutputFormat
  /** Schemas of the arguments, by the names of the tools; undefined where no calls are read. */
  tools?: ReadonlyMap<string, unknown> | undefined
  /** The end of a prompt that has begun the reasoning, from its mark on. */
  begun?: string | undefined
  /** JSON is wanted: a fence around it is none of it. */
  json?: boolean | undefined
  /** Leave reasoning in the content, with its marks. */
  keepReasoning?: boolean | undefined
}

/** Blanks and commas between two calls. */
const BETWEEN = /^[\s,;]*$/

/** Reads an output piece by piece; {@link ReadMessage} grows by it. */
export class OutputReader implements ReadMessage {
  content = ''
  reasoning = ''
  readonly calls: ReadCall[] = []
  /** Blanks that belong to the content if more of it follows. */
  private held = ''
  private readonly scanner = new Scanner()
  private readonly steps: ScanStep<void>
  private over = false

  constructor(options: ReaderOptions) {
    const { layout } = options.format
    const read = { plain: plain, channels: channels, recipients: recipients }[layout]
    this.steps = read(this, this.scanner, options)
  }

  /** Reads on. */
  push(text: string): void {
    this.scanner.text += text
    this.step()
  }

  /**
   * Reads to the end; blanks at the end of content that no call follows are part of it, but for those of nothing but calls.
   * @param cut the output would have gone on: a mark or a call that has only begun is dropped
   */
  end(cut = false): void {
    this.scanner.ended = true
    this.scanner.cut = cut
    this.step()
    if (this.content !== '' || this.calls.length === 0) this.content += this.held
    this.held = ''
  }

  private step(): void {
    if (!this.over && this.steps.next().done) this.over = true
  }

  /** Content; blanks before it count only where there is some already. */
  readonly say = (text: string): void => {
    const all = this.held + text
    const end = all.trimEnd().length
    const after = this.calls.length > 0 && BETWEEN.test(all) ? 0 : end
    const said = all.slice(0, after)
    this.held = all.slice(after)
    this.content += this.content === '' && this.dropsBlanks ? said.trimStart() : said
    if (said !== '') this.dropsBlanks = false
  }

  /** Whether blanks at the beginning of content belong to marks. */
  dropsBlanks = false

  /** Reasoning, without blanks around it. */
  readonly think = (text: string): void => {
    const all = this.pause + text
    const end = all.trimEnd().length
    this.reasoning += this.isThinking ? all.slice(0, end) : all.slice(0, end).trimStart()
    this.pause = all.slice(end)
    this.isThinking ||= end > 0
  }

  /** A block of reasoning has begun with more than blanks. */
  isThinking = false
  /** Blanks that belong to the reasoning if more of it follows. */
  pause = ''

  begin(name: string, id?: string): ReadCall {
    this.held = ''
    this.dropsBlanks = true
    const call: ReadCall = { name, arguments: '{', ...(id && { id }), whole: false }
    this.calls.push(call)
    return call
  }
}

function* plain(out: OutputReader, scanner: Scanner, options: ReaderOptions): ScanStep<void> {
  const { format, tools, begun, keepReasoning } = options
  const { reasoning, calls } = format
  const answer = keepReasoning ? undefined : format.answer
  if (reasoning && !keepReasoning) {
    if (begun) yield* reasonUntil(out, scanner, reasoning[1])
    else if (yield* scanner.mark(reasoning[0])) yield* reasonUntil(out, scanner, reasoning[1])
  } else if (reasoning && begun) {
    out.say(begun)
    // Calls come after the reasoning.
    const [, close] = reasoning
    if (tools && (yield* scanner.until([close], out.say)) !== undefined && (yield* scanner.take(close))) out.say(close)
  }
  if (answer && (yield* scanner.mark(answer[0]))) out.dropsBlanks = true
  if (options.json && (yield* scanner.mark('```json'))) {
    out.dropsBlanks = true
    if ((yield* scanner.until(['```'], out.say)) !== undefined) yield* scanner.take('```')
  }
  const openings = tools && calls ? openingsOf(calls) : []
  // Gemma thinks again between calls.
  const again = reasoning && calls?.kind === 'gemma' && !keepReasoning ? [reasoning[0]] : []
  const marks = [...openings, ...(answer ? [answer[1]] : []), ...again]
  for (;;) {
    scanner.settle()
    const mark = yield* scanner.until(marks, out.say)
    if (mark === undefined) return
    if (calls && tools && openings.includes(mark)) {
      const read = yield* readCalls(out, scanner, calls, tools)
      // What is left is the beginning of a mark.
      if (scanner.starved && (read || scanner.cut)) return
      if (read) continue
    }
    yield* scanner.take(mark)
    if (again.includes(mark)) yield* reasonUntil(out, scanner, reasoning![1])
    else if (mark !== answer?.[1]) out.say(mark)
  }
}

function* reasonUntil(out: OutputReader, scanner: Scanner, close: string): ScanStep<void> {
  out.isThinking = false
  out.pause = ''
  yield* scanner.until([close], out.think)
  yield* scanner.take(close)
  out.dropsBlanks = true
}

/** The texts at which calls may begin. */
export function openingsOf({ kind, section, call }: CallFormat): string[] {
  const words = (section?.[0] || call[0]).split(/\s+/).filter(Boolean)
  if (words.length === 0) return kind === 'object' ? ['{'] : []
  // Models leave out a mark around that of the call.
  return kind === 'tagged' && !section ? [...new Set([words[0]!, words.at(-1)!])] : [words[0]!]
}

/** Reads a section of calls, or a call of its own. false, with nothing taken, where there is none. */
function* readCalls(
  out: OutputReader,
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
  out: OutputReader,
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
  out: OutputReader,
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

/** Reads a value of JSON whole; undefined where there is none. */
function* wholeJson(scanner: Scanner): ScanStep<string> {
  let text = ''
  yield* jsonValue(scanner, (part) => {
    text += part
  })
  return text
}

/** Reads an object of JSON as the arguments of a call: the brace that opens it is there already. */
function* objectInto(scanner: Scanner, call: ReadCall): ScanStep<void> {
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
function* nameBefore(scanner: Scanner, marks: string[]): ScanStep<string | undefined> {
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
  const quoted = (text: string): string => JSON.stringify(text).slice(1, -1)
  if (kind === 'text') {
    // As llama.cpp shows it.
    if (!padding && !(yield* scanner.has())) return
    call.arguments += '"'
    const mark = yield* scanner.until([end], (text) => {
      call.arguments += quoted(text)
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
  let json = PYTHON[text.trim()] ?? text
  try {
    JSON.parse(json)
  } catch {
    json = JSON.stringify(text)
  }
  call.arguments += json
}

const PYTHON: Record<string, string> = { True: 'true', False: 'false', None: 'null' }

/** A name, then arguments in brackets, each with its name. */
function written(open: string, equals: string, close: string, quote: string): CallBody {
  return function* (out, scanner, _, tools) {
    const name = yield* nameBefore(scanner, [open])
    if (name === undefined || !tools.has(name)) return undefined
    const call = out.begin(name)
    scanner.at += open.length
    const add = (text: string): void => {
      call.arguments += text
    }
    yield* members(scanner, add, equals, close, quote)
    return call
  }
}

/** Members of an object whose keys have no quotes, and the bracket behind them. */
function* members(
  scanner: Scanner,
  add: (text: string) => void,
  equals: string,
  close: string,
  quote: string,
): ScanStep<void> {
  for (;;) {
    // Commas are shown when what follows them is, or at once.
    const comma = (yield* scanner.peek()) === ',' ? ',' : ''
    scanner.at += comma.length
    if (quote) add(comma)
    yield* scanner.skipBlanks()
    if (!(yield* scanner.has())) return
    if (yield* scanner.take(close)) {
      add('}')
      return
    }
    const heard = (text: string, begins: boolean): void => add(begins ? `${quote ? '' : comma}"${text}` : text)
    if (!(yield* keyBefore(scanner, equals, heard, quote))) return
    add('":')
    yield* scriptValue(scanner, add, equals, quote)
  }
}

function* keyBefore(
  scanner: Scanner,
  equals: string,
  heard: (text: string, begins: boolean) => void,
  quote: string,
): ScanStep<boolean> {
  // Python's keys are shown when they are whole.
  let name = ''
  const mark = yield* scanner.until([equals], (text) => {
    const clean = JSON.stringify(text.replace(/^["']|["']$/g, '')).slice(1, -1)
    if (quote) heard(clean, name === '')
    name += clean
  })
  if (mark === undefined) return false
  if (!quote) heard(name.trim(), true)
  scanner.at += equals.length
  return true
}

/** A value as Python or Gemma writes it, as JSON. */
function* scriptValue(scanner: Scanner, add: (text: string) => void, equals: string, quote: string): ScanStep<void> {
  const next = yield* scanner.peek()
  if (next === undefined) return
  if (quote && next === quote[0]) {
    add('"')
    yield* scanner.take(quote)
    const mark = yield* scanner.until([quote], (text) => add(JSON.stringify(text).slice(1, -1)))
    if (mark === undefined) return
    scanner.at += quote.length
    add('"')
  } else if (quote && next === '{') {
    scanner.at++
    add('{')
    yield* members(scanner, add, equals, '}', quote)
  } else if (quote && next === '[') {
    scanner.at++
    add('[')
    for (let first = true; ; first = false) {
      yield* scanner.skipBlanks(',')
      if (!(yield* scanner.has())) return
      if (yield* scanner.take(']')) break
      if (!first) add(',')
      yield* scriptValue(scanner, add, equals, quote)
    }
    add(']')
  } else if (next === "'") {
    yield* singleQuoted(scanner, add)
  } else if (/[{["\d-]/.test(next)) {
    yield* jsonValue(scanner, add, true)
  } else {
    let word = ''
    while ((yield* scanner.has()) && /\w/.test(scanner.text[scanner.at]!)) word += scanner.text[scanner.at++]
    if (word === '') scanner.at++
    add(PYTHON[word] ?? (/^(true|false|null)$/.test(word) ? word : JSON.stringify(word)))
  }
}

/** A string of Python's in single quotes. */
function* singleQuoted(scanner: Scanner, add: (text: string) => void): ScanStep<void> {
  scanner.at++
  add('"')
  while (yield* scanner.has()) {
    const char = scanner.text[scanner.at++]!
    if (char === "'") {
      add('"')
      return
    }
    if (char !== '\\') add(JSON.stringify(char).slice(1, -1))
    else if (yield* scanner.has()) {
      const escaped = scanner.text[scanner.at++]!
      add(escaped === "'" ? "'" : `\\${escaped}`)
    }
  }
}

const BODIES: Record<CallFormat['kind'], CallBody> = {
  object,
  keyed,
  named,
  tagged,
  python: written('(', '=', ')', ''),
  gemma: written('{', ':', '}', '<|"|>'),
}

/** Parts with headers: `<|channel|>commentary to=functions.N <|constrain|>json<|message|>…<|end|>`. */
function* channels(out: OutputReader, scanner: Scanner, { tools, keepReasoning }: ReaderOptions): ScanStep<void> {
  const ends = ['<|end|>', '<|call|>', '<|return|>', '<|start|>']
  out.dropsBlanks = true
  while (yield* scanner.has()) {
    const start = scanner.at
    let header = ''
    const mark = yield* scanner.until(['<|message|>', '<|end|>'], (text) => {
      header += text
    })
    if (mark !== '<|message|>') {
      if (!scanner.starved || !scanner.cut) out.say(header)
      if (mark === undefined) return
      yield* scanner.take(mark)
      continue
    }
    yield* scanner.take(mark)
    const name = /\bto=(?:functions\.)?([^\s<]+)/.exec(header)?.[1]
    const isReasoning = header.includes('<|channel|>analysis')
    if (name !== undefined && tools?.has(name)) {
      const call = out.begin(name)
      yield* objectInto(scanner, call)
      call.whole = true
      // Blanks behind it, or what is no JSON.
      yield* scanner.until(ends, out.say)
    } else if (name !== undefined || (isReasoning && keepReasoning)) {
      // Nobody's call, as it is.
      out.say(scanner.text.slice(start, scanner.at))
      yield* scanner.until(ends, out.say)
      if (keepReasoning && isReasoning && (yield* scanner.has()) && (yield* scanner.take('<|end|>'))) out.say('<|end|>')
      continue
    } else {
      yield* scanner.until(ends, isReasoning ? out.think : out.say)
    }
    for (const end of ends) if ((yield* scanner.has()) && (yield* scanner.take(end))) break
  }
}

/** Parts that begin with whom they are for: `all`, or the name of a tool; `>>>` parts them. */
function* recipients(out: OutputReader, scanner: Scanner, { tools }: ReaderOptions): ScanStep<void> {
  out.dropsBlanks = true
  while (yield* scanner.has()) {
    const start = scanner.at
    const name = yield* nameBefore(scanner, ['\n', '{'])
    if (name !== undefined && tools?.has(name)) {
      const call = out.begin(name)
      yield* objectInto(scanner, call)
      call.whole = true
    } else if (name === 'all') yield* scanner.take('\n')
    else if (scanner.cut && scanner.starved) return
    else scanner.at = start
    if ((yield* scanner.until(['>>>'], out.say)) === undefined) return
    yield* scanner.take('>>>')
  }
}
