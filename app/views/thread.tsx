/** The conversation that is shown; it scrolls along with an answer as long as its reader is at the end. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { copyText } from '../clipboard.ts'
import { backend, current, dialog, loading, look, notice, turns } from '../session.ts'
import { Message } from './message.tsx'

/** Pixels from the end that count as the end. */
const NEAR = 80

export function Thread() {
  const element = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  const { id } = current.value
  const shown = turns.value
  const toEnd = (): void => {
    const { current: area } = element
    if (area && atEnd.current) area.scrollTop = area.scrollHeight
  }
  // Another conversation, or a turn more, begins at its end.
  useLayoutEffect(() => {
    atEnd.current = true
    toEnd()
  }, [id, shown.length])
  // An answer grows, and long ones are made in slices.
  useEffect(() => {
    const observer = new ResizeObserver(toEnd)
    if (content.current) observer.observe(content.current)
    return () => observer.disconnect()
  }, [shown.length === 0])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the clicks are those of buttons within it
    <section
      ref={element}
      class="thread"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
      tabIndex={0}
      aria-label="Conversation"
      onScroll={({ currentTarget: area }) => {
        atEnd.current = area.scrollHeight - area.scrollTop - area.clientHeight < NEAR
      }}
      onClick={copyCode}
    >
      {shown.length === 0 ? (
        <Welcome />
      ) : (
        <div class="turns" ref={content}>
          {shown.map((turn) => (
            <Message key={turn.id} turn={turn} />
          ))}
        </div>
      )}
    </section>
  )
}

/** The buttons of blocks of code are no components: their clicks arrive here. */
function copyCode({ target }: Event): void {
  const button = (target as Element).closest<HTMLButtonElement>('[data-copy]')
  const code = button?.closest('.code')?.querySelector('pre')
  if (!button || !code) return
  void copyText(code.textContent ?? '').then((done) => {
    notice.value = done ? { text: 'Copied.' } : { text: 'The browser does not let the page copy.', bad: true }
  })
}

function Welcome() {
  const { value: who } = backend
  return (
    <div class="welcome">
      <img class="welcome-mark" src="icon.svg" alt="" width="72" height="72" />
      {who ? (
        <>
          <h1>{who.chats ? 'What is on your mind?' : 'How does the story begin?'}</h1>
          <p>
            {who.chats
              ? `${who.name} answers here. Nothing you write leaves ${who.how.startsWith('In') ? 'this device' : 'its server'}.`
              : `${who.name} knows no conversations: it goes on with your text.`}
          </p>
        </>
      ) : (
        <>
          <h1>A language model, in this page</h1>
          <p>It runs on your device. Nothing you write leaves it, and it works offline.</p>
          <div class="row centered">
            <button type="button" class="primary" onClick={() => (dialog.value = 'models')}>
              Choose a model
            </button>
            <button
              type="button"
              disabled={loading.value !== undefined}
              onClick={() => void look({ kind: 'built-in' })}
            >
              Try the built-in one (0.5 MB)
            </button>
          </div>
        </>
      )}
    </div>
  )
}
