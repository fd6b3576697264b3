/** A turn of a conversation, with what can be done with it. */
import { useComputed } from '@preact/signals'
import { memo } from 'preact/compat'
import { useEffect, useRef, useState } from 'preact/hooks'
import { copyText } from '../clipboard.ts'
import type { Turn } from '../conversation.ts'
import { siblingsOf, withBranch } from '../conversation.ts'
import { answering, backend, current, edit, live, notice, regenerate, update } from '../session.ts'
import { IconButton } from './icons.tsx'
import { Markdown } from './markdown.tsx'
import { Tokens } from './tokens.tsx'

export const Message = memo(function Message({ turn }: { turn: Turn }) {
  // The others stay as they are while an answer grows.
  const { value: answer } = useComputed(() => (live.value?.turn === turn.id ? live.value : undefined))
  const [editing, setEditing] = useState(false)
  const [tokens, setTokens] = useState(false)
  const { role, stats, error, stopped } = turn
  const content = answer?.content ?? turn.content
  const reasoning = answer?.reasoning ?? turn.reasoning ?? ''
  const isAnswer = role === 'assistant'
  return (
    <article class={`message ${role}`} aria-label={isAnswer ? 'Answer' : 'You'} aria-busy={answer !== undefined}>
      {editing ? (
        <Editor turn={turn} onDone={() => setEditing(false)} />
      ) : (
        <>
          {reasoning && <Reasoning text={reasoning} live={answer !== undefined && content === ''} />}
          {isAnswer && !(tokens && turn.tokens) && <Markdown text={content} live={answer !== undefined} />}
          {isAnswer && tokens && turn.tokens && <Tokens tokens={turn.tokens} />}
          {!isAnswer && <div class="said">{content}</div>}
          {answer && !content && !reasoning && <Waiting />}
          {error && <p class="problem">{error}</p>}
          {stopped && <p class="quiet">Stopped.</p>}
          {!answer && (
            <footer class="message-foot">
              <Branches turn={turn} />
              <IconButton icon="copy" label="Copy" onClick={() => copy(content)} />
              <IconButton icon="edit" label="Edit" disabled={answering.value} onClick={() => setEditing(true)} />
              {isAnswer && (
                <IconButton
                  icon="again"
                  label="Answer again"
                  disabled={answering.value || !backend.value}
                  onClick={() => regenerate(turn)}
                />
              )}
              {turn.tokens && (
                <IconButton icon="tokens" label="Tokens" pressed={tokens} onClick={() => setTokens(!tokens)} />
              )}
              {stats && (
                <span class="stats" title={`${stats.model}${stats.seed === undefined ? '' : `, seed ${stats.seed}`}`}>
                  {stats.completionTokens} tokens, {stats.tokensPerSecond.toFixed(1)} per second
                </span>
              )}
            </footer>
          )}
        </>
      )}
    </article>
  )
})

function copy(text: string): void {
  void copyText(text).then((done) => {
    notice.value = done ? { text: 'Copied.' } : { text: 'The browser does not let the page copy.', bad: true }
  })
}

function Waiting() {
  return (
    <p class="waiting" aria-hidden="true">
      <span />
      <span />
      <span />
    </p>
  )
}

function Reasoning({ text, live }: { text: string; live: boolean }) {
  return (
    <details class="reasoning">
      <summary>{live ? 'Thinking …' : 'Thoughts'}</summary>
      <Markdown text={text} live={live} />
    </details>
  )
}

/** Leads to the other versions of a turn. */
function Branches({ turn }: { turn: Turn }) {
  const siblings = siblingsOf(current.value, turn)
  if (siblings.length < 2) return null
  const at = siblings.findIndex(({ id }) => id === turn.id)
  const go = (to: number) => () => update(withBranch(current.value, siblings[to]!.id))
  return (
    <span class="branches">
      <IconButton icon="previous" label="Version before" disabled={answering.value || at === 0} onClick={go(at - 1)} />
      <span>
        <span class="sr-only">Version </span>
        {at + 1} / {siblings.length}
      </span>
      <IconButton
        icon="next"
        label="Next version"
        disabled={answering.value || at === siblings.length - 1}
        onClick={go(at + 1)}
      />
    </span>
  )
}

function Editor({ turn, onDone }: { turn: Turn; onDone: () => void }) {
  const area = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    const { current } = area
    current!.focus()
    current!.setSelectionRange(turn.content.length, turn.content.length)
  }, [turn])
  const save = (): void => {
    const text = area.current!.value.trim()
    if (text !== '' && text !== turn.content) edit(turn, text)
    onDone()
  }
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') {
          event.stopPropagation()
          onDone()
        } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save()
      }}
    >
      <textarea
        ref={area}
        aria-label="Text of the turn"
        defaultValue={turn.content}
        rows={Math.min(12, turn.content.split('\n').length + 1)}
      />
      <div class="row">
        <button type="submit" class="primary">
          {turn.role === 'user' ? 'Ask again' : 'Save'}
        </button>
        <button type="button" onClick={onDone}>
          Cancel
        </button>
      </div>
    </form>
  )
}
