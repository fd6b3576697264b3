/**
 * A file behind HTTP. The first request is for the whole file, as caches store it, and its streaming response serves reads
 * in file order; a jump closes it and asks again with a Range. Servers that ignore Range are read from the start.
 */

import { SourceError } from '../errors.ts'
import { type sleep, untilAborted } from '../util/abort.ts'
import { checkRange } from '../util/check.ts'
import { Queue } from '../util/concurrency.ts'
import {
  type BodyReader,
  bodyReader,
  contentRange,
  fileSize,
  hasRanges,
  isEncoded,
  sameVersion,
  tellsSize,
} from './http-answer.ts'
import { type Answer, Client } from './http-client.ts'
import { blobSource, bytesSource } from './memory.ts'
import type { Source, SourceOptions } from './types.ts'

/** A gap up to this many bytes is read and thrown away rather than jumped with a new request. */
const SKIP = 1024 * 1024
/** Most bytes of a read to keep, and of an answer to let come to its end unread: caches store whole answers alone. */
const KEPT = 512 * 1024
const LEFT = 64 * 1024

/**
 * Sends a first request for the whole file, whose answer has the size and goes on to serve the first reads. Where it does
 * not have it (no Content-Length, or compressed), one with a Range follows, which browsers do not let servers compress. A
 * size that stays unknown means that the file is fetched into memory whole.
 * @param wait for tests
 * @throws SourceError for a final HTTP status, for what may not be read, and after `retries` failures in a row.
 */
export function openHttp(
  location: string,
  options: SourceOptions & { signal?: AbortSignal } = {},
  wait?: typeof sleep,
): Promise<Source> {
  const client = new Client(location, options, wait)
  const { signal } = options
  return client.attempt(signal, async () => {
    const whole = await client.get(undefined, signal)
    try {
      const source = sizedSource(client, whole)
      if (source) return source
      const part = await client.get(0, signal).catch(() => undefined)
      const parted = part && sizedSource(client, part)
      ;(parted ? whole : part)?.cancel()
      return parted ?? (await untilAborted(inMemory(whole.response, client.name), signal, client.what))
    } catch (error) {
      whole.cancel()
      throw error
    }
  })
}

/** A source, if its first answer has the size. */
function sizedSource(client: Client, answer: Answer): Source | undefined {
  const size = fileSize(answer.response, 0)
  return size !== undefined && answer.response.body ? new HttpSource(client, answer, size) : undefined
}

/** A caller's own `fetch` may give less than a Response. */
async function inMemory(response: Response, name: string): Promise<Source> {
  if (typeof response.blob === 'function') return blobSource(await response.blob(), name)
  return bytesSource(new Uint8Array(await response.arrayBuffer()), name)
}

class HttpSource implements Source {
  readonly name: string
  readonly size: number
  readonly #client: Client
  readonly #version: Headers
  readonly #queue = new Queue()
  #body: Body | undefined
  /** Whether the server answers Range requests, as far as it has said. */
  #ranges: boolean
  #closed = false
  /** The read before, if it was short: whoever reads a header passes its end, and goes back to it for the weights. */
  #last = { offset: 0, bytes: new Uint8Array(0) }

  constructor(client: Client, first: Answer, size: number) {
    this.name = client.name
    this.size = size
    this.#client = client
    this.#version = first.response.headers
    this.#ranges = hasRanges(first.response)
    this.#body = this.#startBody(first, 0)
  }

  async read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    checkRange(this, target, offset)
    await this.#queue.run(async () => {
      const known = this.#copyLast(target, offset)
      let done = known
      await this.#client.attempt(signal, async (progress) => {
        try {
          while (done < target.length) {
            const body = await this.#bodyAt(offset + done, signal)
            const piece = await body.next(target.length - done, signal)
            target.set(piece, done)
            done += piece.length
            progress()
          }
        } catch (error) {
          this.#drop()
          throw error
        }
      })
      if (target.length <= KEPT && known < target.length) this.#last = { offset, bytes: target.slice() }
    })
  }

  /** The bytes of `target` that the read before had, as their number. */
  #copyLast(target: Uint8Array, offset: number): number {
    const { offset: begin, bytes } = this.#last
    if (offset < begin) return 0
    const known = bytes.subarray(offset - begin, offset - begin + target.length)
    target.set(known)
    return known.length
  }

  pause(): Promise<void> {
    return this.#queue.run(async () => this.#drop())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#last = { offset: 0, bytes: new Uint8Array(0) }
    this.#drop()
  }

  #drop(): void {
    this.#body?.cancel()
    this.#body = undefined
  }

  /** The body, at this position of the file. */
  async #bodyAt(position: number, signal: AbortSignal | undefined): Promise<Body> {
    for (;;) {
      if (this.#closed) throw new SourceError('SOURCE_CLOSED', `${this.name} was closed; open it again.`, this.name)
      let body = this.#body
      if (!body?.reaches(position) || (this.#ranges && position - body.position > SKIP)) {
        this.#drop()
        body = this.#body = await this.#open(position, signal)
      }
      if (body.position === position) return body
      await body.next(position - body.position, signal)
    }
  }

  /** A new request for the bytes from `position` on; its body begins there, or at 0 if the server ignores Range. */
  async #open(position: number, signal: AbortSignal | undefined): Promise<Body> {
    const answer = await this.#client.get(position || undefined, signal)
    try {
      this.#ranges = position > 0 ? answer.response.status === 206 : hasRanges(answer.response)
      this.#checkUnchanged(answer.response, position)
      return this.#startBody(answer, position)
    } catch (error) {
      answer.cancel()
      throw error
    }
  }

  #startBody(answer: Answer, position: number): Body {
    const { response } = answer
    if (response.status === 200) return new Body(this.#client, answer, 0, this.size)
    const range = contentRange(response)
    const start = range?.start ?? position
    // A server may send fewer bytes than were asked for; the next ones then take a new request.
    const end = range?.end ?? position + Number(response.headers.get('content-length') ?? this.size - position)
    if (start === position && end > start && end <= this.size && !isEncoded(response)) {
      return new Body(this.#client, answer, start, end)
    }
    throw new SourceError(
      'HTTP_RANGE',
      `${this.name} sent other bytes than those asked for (${response.headers.get('content-range')}); download the file first.`,
      position,
    )
  }

  #checkUnchanged(response: Response, position: number): void {
    const size = fileSize(response, position)
    const sameSize = size === undefined || size === this.size || !tellsSize(response)
    if (sameSize && sameVersion(this.#version, response.headers)) return
    throw new SourceError(
      'SOURCE_CHANGED',
      `${this.name} changed on the server while it was read; load it again.`,
      this.name,
    )
  }
}

/** The stream of one response: file bytes [position, end), front to back. */
class Body {
  position: number
  readonly #end: number
  readonly #client: Client
  readonly #answer: Answer
  readonly #reader: BodyReader
  #chunk = new Uint8Array(0)

  constructor(client: Client, answer: Answer, position: number, end: number) {
    this.position = position
    this.#end = end
    this.#client = client
    this.#answer = answer
    this.#reader = bodyReader(answer.response)
  }

  /** Whether reading on from here comes to the byte at `position`. */
  reaches(position: number): boolean {
    return this.position <= position && this.position < this.#end
  }

  /** The next bytes, at least one and at most `limit`; rejects if the connection breaks. Not to be called at the end. */
  async next(limit: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    while (this.#chunk.length === 0) {
      const { done, value } = await untilAborted(this.#reader.read(), signal, this.#client.what)
      if (done) throw new Error(`The answer ended at byte ${this.position} instead of ${this.#end}.`)
      this.#chunk = value as Uint8Array<ArrayBuffer>
    }
    const piece = this.#chunk.subarray(0, Math.min(limit, this.#end - this.position))
    this.#chunk = this.#chunk.subarray(piece.length)
    this.position += piece.length
    return piece
  }

  cancel(): void {
    if (this.#end - this.position <= LEFT) return
    this.#answer.cancel()
    this.#reader.cancel?.().catch(() => {})
  }
}
