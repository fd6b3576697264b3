/**
 * Markdown as it streams: blocks that are complete are made once and stay, the last one is made anew with each update. So an
 * update takes as long as the last block, not as the answer, and what a reader has selected above stays selected.
 */
import DOMPurify from 'dompurify'
import { Marked, type Token } from 'marked'

const TAGS = [
  ...[
    'a',
    'b',
    'blockquote',
    'br',
    'code',
    'dd',
    'del',
    'details',
    'div',
    'dl',
    'dt',
    'em',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
  ],
  ...[
    'hr',
    'i',
    'kbd',
    'li',
    'mark',
    'ol',
    'p',
    'pre',
    's',
    'span',
    'strong',
    'sub',
    'summary',
    'sup',
    'table',
    'tbody',
    'td',
  ],
  ...['tfoot', 'th', 'thead', 'tr', 'u', 'ul'],
]

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const marked = new Marked({
  gfm: true,
  renderer: {
    // Nothing is fetched that a model names: an image is a link to it.
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
})

/** Complete blocks and the rest of a text, which together are all of it. */
export function splitBlocks(text: string): { complete: Token[]; rest: Token[]; length: number } {
  const tokens = marked.lexer(text) as Token[]
  const isBlock = ({ type }: Token): boolean => type !== 'space'
  let last = tokens.findLastIndex(isBlock)
  // A line that has no end yet may still belong to the block before it: `2` becomes `2.` of a list.
  if (last > 0 && !tokens[last]!.raw.includes('\n')) last = tokens.slice(0, last).findLastIndex(isBlock)
  const complete = tokens.slice(0, Math.max(0, last))
  const read = complete.reduce((all, { raw }) => all + raw, '')
  // Where the parser has changed the text its blocks cannot be counted off: then all is the rest.
  if (!text.startsWith(read)) return { complete: [], rest: tokens, length: 0 }
  return { complete, rest: tokens.slice(complete.length), length: read.length }
}

/** Blocks as nodes without scripts, styles, forms, media or names. */
export function nodesOf(tokens: Token[]): DocumentFragment {
  const html = marked.parser(tokens as Parameters<typeof marked.parser>[0])
  const fragment = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ['href', 'title', 'start', 'align', 'open', 'class'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(https?:|mailto:)/i,
    RETURN_DOM_FRAGMENT: true,
  })
  for (const element of fragment.querySelectorAll('[class]')) {
    if (element.localName !== 'code' || !/^language-[\w+#.-]+$/.test(element.className))
      element.removeAttribute('class')
  }
  for (const link of fragment.querySelectorAll('a[href]')) {
    link.setAttribute('target', '_blank')
    link.setAttribute('rel', 'noopener noreferrer')
  }
  for (const pre of fragment.querySelectorAll('pre')) frame(pre)
  for (const table of fragment.querySelectorAll('table')) scrollable(table, 'Table')
  return fragment
}

/** Puts a block of code below a bar with its language and a button that copies it. */
function frame(pre: HTMLPreElement): void {
  const language = /language-(\S+)/.exec(pre.querySelector('code')?.className ?? '')?.[1] ?? ''
  const bar = element('div', 'code-bar')
  const name = element('span', 'code-language', language || 'text')
  const copy = element('button', 'code-copy', 'Copy')
  copy.setAttribute('type', 'button')
  copy.setAttribute('aria-label', `Copy the ${language || ''} code`.replace('  ', ' '))
  copy.setAttribute('data-copy', 'code')
  bar.append(name, copy)
  const block = element('div', 'code')
  pre.replaceWith(block)
  // What scrolls has to be reached by keys.
  pre.setAttribute('tabindex', '0')
  block.append(bar, pre)
}

function scrollable(content: Element, label: string): void {
  const frame = element('div', 'scrollable')
  frame.setAttribute('tabindex', '0')
  frame.setAttribute('role', 'group')
  frame.setAttribute('aria-label', label)
  content.replaceWith(frame)
  frame.append(content)
}

function element(name: string, className: string, text = ''): HTMLElement {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

/** Characters that are parsed at once, unless a block is longer. */
const WINDOW = 600

export class MarkdownStream {
  /** The text of the blocks that stay. */
  private done = ''
  /** All text that is shown. */
  private shown: string | undefined
  /** The nodes of the last block. */
  private last: ChildNode[] = []
  private window = WINDOW

  /** `onBlock` hears the text of each block that is complete. */
  constructor(
    private readonly target: Element,
    private readonly onBlock: (text: string) => void = () => {},
  ) {}

  /**
   * Shows a text; one that goes on with the text before is the quick way. It ends early when its time is up.
   *
   * @param complete whether nothing will follow
   * @param deadline of `performance.now()`
   * @returns whether all is shown: if not, call it again
   */
  update(given: string, complete: boolean, deadline: number): boolean {
    const text = given.replaceAll(/\r\n?/g, '\n')
    if (text === this.shown && !complete) return true
    if (!text.startsWith(this.done)) this.clear()
    for (;;) {
      const { length } = this.done
      const isAll = text.length - length <= this.window
      const split = splitBlocks(isAll ? text.slice(length) : text.slice(length, length + this.window))
      if (!isAll && split.complete.length === 0) {
        this.window *= 2
        continue
      }
      for (const node of this.last) node.remove()
      this.add(split.complete)
      this.done = text.slice(0, length + split.length)
      this.last = isAll ? this.add(split.rest, complete) : []
      if (split.complete.length > 0) this.window = WINDOW
      if (isAll) this.shown = text
      if (isAll || performance.now() > deadline) return isAll
    }
  }

  private add(tokens: Token[], announced = true): ChildNode[] {
    if (tokens.length === 0) return []
    const fragment = nodesOf(tokens)
    const nodes = [...fragment.childNodes]
    if (announced) this.onBlock(fragment.textContent ?? '')
    this.target.append(fragment)
    return nodes
  }

  private clear(): void {
    this.done = ''
    this.last = []
    this.window = WINDOW
    this.target.replaceChildren()
  }
}
