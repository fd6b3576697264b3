/** The latest answers of `/v1/responses`, for those that go on from them. */
import type { ChatItem } from './response-rules.ts'
import type { ResponseStoreLimits } from './types.ts'

export interface StoredResponse {
  response: { id: string; output: readonly ChatItem[] }
  /** What it answered: the turns before it and its own input. */
  input: readonly ChatItem[]
}

/** Those that were used the longest time ago go first. */
export class ResponseStore {
  private readonly entries = new Map<string, { stored: StoredResponse; bytes: number }>()
  private readonly most: Required<ResponseStoreLimits>
  private bytes = 0

  constructor({ count = 1000, bytes = 33554432 }: ResponseStoreLimits = {}) {
    this.most = { count, bytes }
  }

  get(id: string): StoredResponse | undefined {
    const entry = this.entries.get(id)
    if (!entry) return undefined
    // The last one of a map is the one set last.
    this.entries.delete(id)
    this.entries.set(id, entry)
    return entry.stored
  }

  put(stored: StoredResponse): void {
    // Two bytes a character, as engines keep most.
    const bytes = 2 * JSON.stringify(stored).length
    this.entries.set(stored.response.id, { stored, bytes })
    this.bytes += bytes
    for (const id of this.entries.keys()) {
      if (this.entries.size <= this.most.count && this.bytes <= this.most.bytes) break
      this.delete(id)
    }
  }

  delete(id: string): boolean {
    this.bytes -= this.entries.get(id)?.bytes ?? 0
    return this.entries.delete(id)
  }

  /** An item of any of them. */
  item(id: string): ChatItem | undefined {
    for (const { stored } of this.entries.values()) {
      const found = [...stored.response.output, ...stored.input].find((item) => item.id === id)
      if (found) return found
    }
    return undefined
  }
}
