/** A text in Markdown. One that is under way is shown at once; others wait for their turn, so that long conversations open at once. */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { MarkdownStream } from '../markdown.ts'
import { announce, tookToShow } from '../session.ts'

/** Milliseconds of work after which others get their turn. */
const SLICE_MS = 8
const waiting = new Set<() => void>()
let running = false

/** Runs works one after another, the newest first, as it is at the end that readers look. */
function later(work: () => void): () => void {
  waiting.add(work)
  if (!running) setTimeout(slice)
  running = true
  return () => waiting.delete(work)
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
  /** It was under way before: its end is soon shown, and read out. */
  const wasLive = useRef(live)
  useLayoutEffect(() => {
    const show = (): void => {
      const start = performance.now()
      const spoken = (block: string): void => {
        if (wasLive.current) announce(block)
      }
      if (!stream.current) element.current!.replaceChildren()
      stream.current ??= new MarkdownStream(element.current!, spoken)
      stream.current.update(text, !live)
      if (live) tookToShow(performance.now() - start)
    }
    if (live || wasLive.current) {
      show()
      wasLive.current = live
      return undefined
    }
    if (!stream.current) element.current!.textContent = text
    return later(show)
  }, [text, live])
  return <div class="markdown" ref={element} />
}
