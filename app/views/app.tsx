/** The page. */
import { useEffect } from 'preact/hooks'
import {
  announcements,
  answering,
  backend,
  dialog,
  drawer,
  importFrom,
  loading,
  look,
  newChat,
  notice,
  stop,
  warn,
} from '../session.ts'
import { Composer } from './composer.tsx'
import { Icon, IconButton } from './icons.tsx'
import { Modal } from './modal.tsx'
import { Models } from './models.tsx'
import { SettingsDialog } from './settings.tsx'
import { Sidebar } from './sidebar.tsx'
import { Thread } from './thread.tsx'

const KEYS: readonly [keys: string, what: string][] = [
  ['Enter', 'Send'],
  ['Shift Enter', 'A new line'],
  ['Escape', 'Stop the answer, or close what is open'],
  ['/', 'To the field for messages'],
  ['Alt N', 'New chat'],
  ['Alt M', 'Models'],
  ['Alt S', 'Settings'],
  ['?', 'These keys'],
]

/** Milliseconds that a notice stays, with an action and without. */
const NOTICE_MS = { action: 8000, none: 3000, bad: 12_000 }

export function App() {
  useEffect(() => {
    document.addEventListener('keydown', onKey)
    document.addEventListener('dragover', allowDrop)
    document.addEventListener('drop', onDrop)
    return () => {
      document.removeEventListener('keydown', onKey)
      document.removeEventListener('dragover', allowDrop)
      document.removeEventListener('drop', onDrop)
    }
  }, [])
  return (
    <div class={`page ${drawer.value ? 'drawer-open' : ''}`}>
      <aside class="sidebar" id="sidebar" aria-label="Conversations and settings">
        <Sidebar />
      </aside>
      {drawer.value && (
        <button type="button" class="curtain" aria-label="Close the list" onClick={() => (drawer.value = false)} />
      )}
      <main class="main">
        <Header />
        <Thread />
        <Composer />
      </main>
      {dialog.value === 'models' && <Models />}
      {dialog.value === 'settings' && <SettingsDialog />}
      {dialog.value === 'keys' && <Keys />}
      <Notices />
      <div class="sr-only" role="log" aria-live="polite" aria-label="Answers">
        {announcements.value.map(({ id, text }) => (
          <p key={id}>{text}</p>
        ))}
      </div>
    </div>
  )
}

function Header() {
  const { value: who } = backend
  const { value: under } = loading
  const share = under?.progress ? Math.floor((100 * under.progress.done) / under.progress.total) : 0
  return (
    <header class="head">
      <button
        type="button"
        class="icon-button menu"
        aria-label="Conversations"
        aria-expanded={drawer.value}
        aria-controls="sidebar"
        onClick={() => (drawer.value = !drawer.value)}
      >
        <Icon name="menu" />
      </button>
      <button type="button" class="model-button" id="model" onClick={() => (dialog.value = 'models')}>
        <span class="model-name">{under ? `Loading ${under.name}: ${share} %` : (who?.name ?? 'Choose a model')}</span>
        <Icon name="down" />
      </button>
      <IconButton icon="add" label="New chat" class="head-new" onClick={newChat} />
    </header>
  )
}

function Notices() {
  const { value: shown } = notice
  useEffect(() => {
    if (!shown) return undefined
    const time = shown.bad ? NOTICE_MS.bad : shown.action ? NOTICE_MS.action : NOTICE_MS.none
    const timer = setTimeout(() => (notice.value = undefined), time)
    return () => clearTimeout(timer)
  }, [shown])
  return (
    <div class="notices" role="status">
      {shown && (
        <div class={`notice ${shown.bad ? 'bad' : ''}`}>
          <span>{shown.text}</span>
          {shown.action && (
            <button type="button" onClick={shown.action.run}>
              {shown.action.label}
            </button>
          )}
          <IconButton icon="close" label="Dismiss" onClick={() => (notice.value = undefined)} />
        </div>
      )}
    </div>
  )
}

function Keys() {
  return (
    <Modal title="Keys" onClose={() => (dialog.value = undefined)}>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  )
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || dialog.value) return
  const writing = event.target instanceof Element && event.target.closest('input, textarea, select')
  const actions: Record<string, () => void> = {
    ...(event.altKey && {
      KeyN: newChat,
      KeyM: () => (dialog.value = 'models'),
      KeyS: () => (dialog.value = 'settings'),
    }),
  }
  let action = actions[event.code]
  if (event.key === 'Escape') action = answering.value ? stop : drawer.value ? () => (drawer.value = false) : undefined
  if (!writing && event.key === '/') action = () => document.getElementById('question')!.focus()
  if (!writing && event.key === '?') action = () => (dialog.value = 'keys')
  if (!action) return
  event.preventDefault()
  action()
}

function allowDrop(event: DragEvent): void {
  if (event.dataTransfer?.types.includes('Files')) event.preventDefault()
}

/** A model, or conversations. */
function onDrop(event: DragEvent): void {
  const [file] = event.dataTransfer?.files ?? []
  if (!file) return
  event.preventDefault()
  if (/\.gguf$/i.test(file.name)) void look({ kind: 'file', file })
  else if (/\.json$/i.test(file.name)) void importFrom(file)
  else warn(`${file.name} is neither a GGUF file nor a file of conversations.`)
}
