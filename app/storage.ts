/** What this browser keeps: conversations in IndexedDB, one record each, and settings. */
import type { Conversation } from './conversation.ts'

const DATABASE = 'cria-app'
const STORE = 'conversations'

export interface ConversationStore {
  /** All of them, the one changed last first. */
  all(): Promise<Conversation[]>
  put(conversation: Conversation): Promise<void>
  delete(id: string): Promise<void>
}

/** @throws DOMException where the browser keeps nothing, as in some private windows */
export async function openStore(): Promise<ConversationStore> {
  const opening = indexedDB.open(DATABASE, 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'id' })
  const database = await done(opening)
  const change = async (ask: (store: IDBObjectStore) => void): Promise<void> => {
    const transaction = database.transaction(STORE, 'readwrite')
    ask(transaction.objectStore(STORE))
    const complete = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error)
    })
    // Now: a page that is closed next shall not undo it.
    transaction.commit()
    return complete
  }
  return {
    async all() {
      const found: Conversation[] = await done(database.transaction(STORE).objectStore(STORE).getAll())
      return found.sort((a, b) => b.updated - a.updated)
    },
    put: (conversation) => change((store) => store.put(conversation)),
    delete: (id) => change((store) => store.delete(id)),
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Where settings are kept; where the browser keeps nothing they last as long as the page. */
export const settingsStorage: Pick<Storage, 'getItem' | 'setItem'> = settingsStorageOf()

function settingsStorageOf(): Pick<Storage, 'getItem' | 'setItem'> {
  try {
    return localStorage
  } catch {
    // Its reader has forbidden it; the conversations, which are forbidden too, tell of that.
    const kept = new Map<string, string>()
    return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) }
  }
}
