/** Where questions are written. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { answering, backend, contextUsed, current, live, send, stop, turns } from '../session.ts'
import { IconButton } from './icons.tsx'

export function Composer() {
  const area = useRef<HTMLTextAreaElement>(null)
  const [text, setText] = useState('')
  const { id } = current.value
  // Another conversation is there to be gone on with.
  useEffect(() => {
    // On a phone the keyboard would cover what was opened.
    if (matchMedia('(pointer: fine)').matches) area.current!.focus()
  }, [id])
  // Its height follows its text.
  useEffect(() => {
    const { style, scrollHeight } = area.current!
    style.height = 'auto'
    style.height = `${Math.min(area.current!.scrollHeight || scrollHeight, innerHeight / 3)}px`
  }, [text])
  const submit = (): void => {
    if (text.trim() === '' || answering.value) return
    if (send(text.trim())) setText('')
  }
  const { value: who } = backend
  return (
    <div class="composer">
      <form
        class="composer-form"
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
      >
        <textarea
          ref={area}
          id="question"
          rows={1}
          value={text}
          aria-label={who && !who.chats ? 'Text to go on with' : 'Message'}
          placeholder={
            who ? (who.chats ? `Message ${who.name}` : 'Once upon a time') : 'Choose a model, then write here'
          }
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          onKeyDown={(event) => {
            // The Enter that ends the choice of a character sends nothing.
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
              event.preventDefault()
              submit()
            }
          }}
        />
        {answering.value ? (
          <IconButton icon="stop" label="Stop" class="round" onClick={stop} />
        ) : (
          <button type="submit" class="icon-button round" aria-label="Send" title="Send" disabled={text.trim() === ''}>
            <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
              <path d="M12 19V5M6 11l6-6 6 6" />
            </svg>
          </button>
        )}
      </form>
      <Meters />
    </div>
  )
}

/** Speed, and how much of the context is taken. */
function Meters() {
  const { value: who } = backend
  if (!who) return null
  const answer = live.value
  const speed = answer
    ? answer.tokensPerSecond
    : (turns.value.findLast(({ stats }) => stats)?.stats?.tokensPerSecond ?? 0)
  const used = Math.min(contextUsed.value, who.context)
  return (
    <div class="meters">
      <span>{who.how}</span>
      {speed > 0 && <span>{speed.toFixed(1)} tokens per second</span>}
      {used > 0 && (
        <label class="context">
          <meter min={0} max={who.context} high={0.9 * who.context} value={used} /> {used} of {who.context} tokens
        </label>
      )}
    </div>
  )
}
