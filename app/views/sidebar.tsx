/** The conversations, and what concerns them all. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Conversation } from '../conversation.ts'
import {
  conversations,
  current,
  deleteChat,
  dialog,
  exportAll,
  importFrom,
  newChat,
  openChat,
  rename,
} from '../session.ts'
import { Icon, IconButton } from './icons.tsx'

export function Sidebar() {
  const file = useRef<HTMLInputElement>(null)
  return (
    <div class="sidebar-body">
      <button type="button" class="new-chat" onClick={newChat}>
        <Icon name="add" /> New chat
      </button>
      <nav class="chats" aria-label="Conversations">
        <ul>
          {conversations.value.map((one) => (
            <Entry key={one.id} conversation={one} />
          ))}
        </ul>
        {conversations.value.length === 0 && <p class="quiet">Conversations stay in this browser.</p>}
      </nav>
      <div class="sidebar-foot">
        <button type="button" onClick={() => (dialog.value = 'settings')}>
          <Icon name="settings" /> Settings
        </button>
        <div class="row">
          <button type="button" disabled={conversations.value.length === 0} onClick={exportAll}>
            Export
          </button>
          <button type="button" onClick={() => file.current!.click()}>
            Import
          </button>
        </div>
        <input
          ref={file}
          type="file"
          hidden
          accept="application/json,.json"
          aria-label="File of conversations"
          onChange={({ currentTarget }) => {
            const [chosen] = currentTarget.files ?? []
            if (chosen) void importFrom(chosen)
            currentTarget.value = ''
          }}
        />
      </div>
    </div>
  )
}

function Entry({ conversation: { id, title } }: { conversation: Conversation }) {
  const [renaming, setRenaming] = useState(false)
  const name = title || 'New chat'
  const shown = current.value.id === id
  return (
    <li class={`chat ${shown ? 'shown' : ''}`}>
      {renaming ? (
        <Renamer id={id} title={name} onDone={() => setRenaming(false)} />
      ) : (
        <>
          <button
            type="button"
            class="chat-title"
            aria-current={shown ? 'page' : undefined}
            onClick={() => openChat(id)}
          >
            {name}
          </button>
          <IconButton icon="edit" label={`Rename ${name}`} onClick={() => setRenaming(true)} />
          <IconButton icon="bin" label={`Delete ${name}`} onClick={() => deleteChat(id)} />
        </>
      )}
    </li>
  )
}

function Renamer({ id, title, onDone }: { id: string; title: string; onDone: () => void }) {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current!.select(), [])
  const save = (): void => {
    rename(id, input.current!.value)
    onDone()
  }
  return (
    <form
      class="renamer"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
    >
      <input
        ref={input}
        aria-label="Name of the conversation"
        defaultValue={title}
        onBlur={save}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return
          event.stopPropagation()
          input.current!.value = title
          onDone()
        }}
      />
    </form>
  )
}
