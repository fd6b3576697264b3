/** Markdown as it comes, styled for a terminal: headings, lists, quotes, code, emphasis. Everything else stays as it is. */
import { printable } from './terminal.ts'

const RESET = '\x1b[0m'
const BOLD = '\x1b[1m'
const FAINT = '\x1b[2m'
const ITALIC = '\x1b[3m'
const CYAN = '\x1b[36m'

/** What a line may begin with, once enough of it is there to tell. */
const BLOCK = /^( *)(#{1,6} +|```[^\n]*(?=\n)|> ?|[-*+] +|\d+[.)] +)/
/** A beginning that further text may turn into one of them. */
const UNDECIDED = /^ *(#{0,6} *|`{1,2}|```[^\n]*|>|[-*+] *|\d{1,9}[.)]? *)$/
const CODE = /^ *```/
const WORD = /[\w\u0080-\uffff]/

/** Text in, styled text out; what cannot be told apart yet is kept for the next piece. */
export class MarkdownStyler {
  private pending = ''
  private atLineStart = true
  private inCode = false
  /** The style of the line, and the emphasis that is open in it. */
  private line = ''
  private readonly open: { mark: string; style: string }[] = []
  private previous = '\n'

  push(text: string): string {
    this.pending += text
    return this.style(false)
  }

  /** The rest of the text; styles end. */
  end(): string {
    const rest = this.style(true)
    const styled = this.line !== '' || this.open.length > 0
    this.open.length = 0
    return styled ? rest + RESET : rest
  }

  private style(last: boolean): string {
    let out = ''
    while (this.pending !== '') {
      if (this.atLineStart) {
        const block = this.inCode ? this.codeLine(last) : this.block(last)
        if (block === undefined) return out
        out += block
      } else {
        const inline = this.inline(last)
        if (inline === undefined) return out
        out += inline
      }
    }
    return out
  }

  private block(last: boolean): string | undefined {
    if (!last && UNDECIDED.test(this.pending)) return undefined
    const found = BLOCK.exec(this.pending)
    if (!found) {
      this.atLineStart = false
      return ''
    }
    const [all, indent, mark] = found as unknown as [string, string, string]
    this.take(all.length)
    this.atLineStart = false
    if (mark.startsWith('#')) return this.begin(BOLD)
    if (mark.startsWith('>')) return `${indent}${this.begin(FAINT)}│ `
    if (/^\d/.test(mark)) return all
    if (!mark.startsWith('```')) return `${indent}• `
    this.inCode = true
    return `${FAINT}${indent}${mark}${RESET}`
  }

  private begin(style: string): string {
    this.line = style
    return style
  }

  private codeLine(last: boolean): string | undefined {
    const end = this.pending.indexOf('\n')
    const line = end < 0 ? this.pending : this.pending.slice(0, end)
    // A line that may yet end the code.
    if (end < 0 && !last && /^ *`{0,3}$/.test(line)) return undefined
    this.atLineStart = false
    if (!CODE.test(line)) return this.begin(CYAN)
    this.inCode = false
    this.take(line.length)
    return `${FAINT}${line}${RESET}`
  }

  private inline(last: boolean): string | undefined {
    const character = this.pending[0]!
    if (character === '\n') return this.endLine()
    if (this.inCode) return this.plain(/^[^\n]+/)
    const mark = /^(`+|\*{1,3}|_{1,2})/.exec(this.pending)?.[0]
    if (mark === undefined) return this.plain(/^[^\n`*_]+/)
    // What follows decides, and the mark itself may go on.
    if (mark.length === this.pending.length && !last) return undefined
    return this.emphasis(mark, this.pending[mark.length] ?? '\n')
  }

  /** Opens or closes emphasis, or writes the mark as it is: as CommonMark, but within a line and by the nearest mark. */
  private emphasis(mark: string, next: string): string {
    const innermost = this.open.at(-1)
    const inSpan = innermost?.mark.startsWith('`') ?? false
    const closes = innermost?.mark === mark && (inSpan || !/\s/.test(this.previous))
    const opens = !inSpan && !/\s/.test(next) && !(mark.startsWith('_') && WORD.test(this.previous))
    const before = this.previous
    this.take(mark.length)
    if (closes && !(mark.startsWith('_') && WORD.test(next))) {
      this.open.pop()
      return RESET + this.styles()
    }
    if (!opens || this.open.some((one) => one.mark === mark) || (mark === '*' && /\d/.test(before))) return mark
    const style = mark.startsWith('`') ? CYAN : { 1: ITALIC, 2: BOLD, 3: BOLD + ITALIC }[mark.length]!
    this.open.push({ mark, style })
    return style
  }

  private styles(): string {
    return this.line + this.open.map(({ style }) => style).join('')
  }

  private endLine(): string {
    this.take(1)
    const styled = this.line !== '' || this.open.length > 0
    this.line = ''
    this.open.length = 0
    this.atLineStart = true
    return styled ? `${RESET}\n` : '\n'
  }

  private plain(run: RegExp): string {
    return printableText(this.take(run.exec(this.pending)![0].length))
  }

  private take(length: number): string {
    const taken = this.pending.slice(0, length)
    this.pending = this.pending.slice(length)
    this.previous = taken.at(-1) ?? this.previous
    return taken
  }
}

/** A text that is less than the others. */
export function faint(text: string): string {
  const shown = printableText(text)
  return process.env.NO_COLOR ? shown : `${FAINT}${shown}${RESET}`
}

/** Text with its line ends and tabs, and other control characters escaped. */
export function printableText(text: string): string {
  return text.replace(/[^\n\t]+/g, printable)
}
