/** Parts a model's output into reasoning, content and calls, as it comes. */
import { type CallSink, nameBefore, objectInto, openingsOf, type ReadCall, readCalls } from './calls.ts'
import type { OutputFormat } from './format.ts'
import { Scanner, type ScanStep } from './scanner.ts'

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
export class OutputReader implements ReadMessage, CallSink {
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
