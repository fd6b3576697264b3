/**
 * A text in Markdown. What is new of one under way is shown at once, others wait for their turn; and each takes its turn in short
 * slices, so that neither long answers nor long conversations block the page.
 */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { MarkdownStream } from '../markdown.ts'
import { announce } from '../session.ts'

/** Milliseconds of work after which others get their turn. */
const SLICE_MS = 8
const waiting = new Set<() => void>()
let running = false

/** Runs works one after another, the newest first, as it is at the end that readers look. */
function later(work: () => void): () => void {
  waiting.add(work)
  if (!running) setTimeout(slice)
  running = true
  return () => void waiting.delete(work)
}

function slice(): void {
  const start = performance.now()
  for (const work of [...waiting].reverse()) {
    waiting.delete(work)
    work()
    if (performance.now() - start > SLICE_MS) break
  }
  running = waiting.size > 0
  if (running) setTimeout(slice)
}

export function Markdown({ text, live }: { text: string; live: boolean }) {
  const element = useRef<HTMLDivElement>(null)
  const stream = useRef<MarkdownStream>(undefined)
  /** It came while the page was open: it is read out, and shown at once. */
  const wasLive = useRef(live)
  useLayoutEffect(() => {
    let waits = (): void => {}
    const spoken = (block: string): void => {
      if (wasLive.current) announce(block)
    }
    const show = (): void => {
      if (!stream.current) element.current!.replaceChildren()
      stream.current ??= new MarkdownStream(element.current!, spoken)
      const whole = stream.current.update(text, !live, performance.now() + SLICE_MS)
      if (!whole) waits = later(show)
    }
    if (live || wasLive.current) show()
    else {
      if (!stream.current) element.current!.textContent = text
      waits = later(show)
    }
    return () => waits()
  }, [text, live])
  return <div class="markdown" ref={element} />
}
