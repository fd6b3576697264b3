/** The server's public types, beside its options. */

/** What a log may say of a request. */
export interface RequestLog {
  method: string
  path: string
  /** 499 where the client left before the end. */
  status: number
  milliseconds: number
  model?: string
  promptTokens?: number
  cachedTokens?: number
  completionTokens?: number
}

/** What clients are told of a model beside its name. */
export interface ModelCard {
  /** Other names; its own may be among them, as llama-server lists it. */
  aliases?: readonly string[]
  tags?: readonly string[]
  /** Where its file is. */
  path?: string
}

/** Where texts of slots are kept, with their part of the KV cache. */
export interface SlotStore {
  save(name: string, state: Uint8Array): Promise<void>
  /** Undefined where there is none of that name. */
  load(name: string): Promise<Uint8Array | undefined>
}

export interface ResponseStoreLimits {
  /** Most answers; default 1000. */
  count?: number
  /** Most bytes of their JSON, about; default 32 MiB. */
  bytes?: number
}
