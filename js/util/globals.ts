/**
 * What the package's declarations name of the web, as a program's own libraries declare it (TypeScript's dom or webworker,
 * @types/node), or where they do not, as much as cria uses. The build lets all declarations import it from here: so they
 * compile in any program. No code runs here.
 */

/** The instances of a global class. */
type Instance<Name extends string, Otherwise> =
  typeof globalThis extends Record<Name, { prototype: infer Type }> ? Type : Otherwise

interface Abortable {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

interface Readable {
  readonly size: number
  slice(start?: number, end?: number): Readable
  arrayBuffer(): Promise<ArrayBuffer>
}

interface HeaderFields {
  get(name: string): string | null
  has(name: string): boolean
}

interface FetchBody {
  readonly headers: Headers
  json(): Promise<unknown>
  text(): Promise<string>
}

export type AbortSignal = Instance<'AbortSignal', Abortable>
export type Blob = Instance<'Blob', Readable>
export type EventTarget = Instance<
  'EventTarget',
  {
    addEventListener(type: string, listener: (event: unknown) => void): void
    removeEventListener(type: string, listener: (event: unknown) => void): void
    dispatchEvent(event: unknown): boolean
  }
>
export type Headers = Instance<'Headers', HeaderFields>
export type ReadableStream<T> = Instance<'ReadableStream', AsyncIterable<T>>
export type Request = Instance<'Request', FetchBody & { readonly url: string; readonly method: string }>
export type Response = Instance<'Response', FetchBody & { readonly ok: boolean; readonly status: number }>
export type URL = Instance<'URL', { readonly href: string }>
export type Fetch = typeof globalThis extends { fetch: infer Type }
  ? Type
  : (input: string | URL, options?: object) => Promise<Response>

export namespace WebAssembly {
  export type Module = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Type } } } ? Type : object
}

/** Of ES2022, and of the proposal for `await using`. */
export type ErrorOptions = { cause?: unknown }
export type AsyncDisposable = typeof Symbol extends { readonly asyncDispose: infer Key extends symbol }
  ? { [K in Key]: () => PromiseLike<void> }
  : Record<never, never>

/** `Uint8Array<ArrayBuffer>`, which TypeScript before 5.7 does not know. */
export type Bytes = ReturnType<typeof Uint8Array.of>
