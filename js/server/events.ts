/** Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ApiError } from './errors.ts'
import { errorBody } from './errors.ts'

export interface Sender {
  /** Resolves when the client has taken the event. */
  send(data: object): Promise<void>
  /** Lets status and headers out, where the first event is still to come. */
  open(): void
}

export interface EventStream {
  response: Response
  /** Resolves when all is sent, the client has gone, or the signal has fired; to what went wrong on the way. */
  finished: Promise<ApiError | undefined>
}

export interface EventStreamOptions {
  signal: AbortSignal
  /** Called when the client goes. */
  left(): void
  toError(error: unknown): ApiError
  /** Seconds of silence after which a comment is sent; 0 or less: never. */
  pingInterval: number
  format?: EventFormat | undefined
}

/** What streams of an endpoint have of their own. */
export interface EventFormat {
  /** Whether an event has its `type` as a name too. Default: not. */
  named?: boolean
  /** What fills a silence. Default: a comment. */
  ping?: object
  /** The events of what went wrong. Default: one, OpenAI's. */
  failed?(error: ApiError): object[]
  /** The data of the last event where nothing did. Default: none. */
  end?: string
}

/** Milliseconds that status and headers wait for the first event or a failure. */
const OPEN_MS = 1000
/** Of a timer. */
const MOST_MS = 2147483647
/** What proxies and clients see of a stream that has nothing to say yet. */
const COMMENT = ':\n\n'
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // nginx would keep events back.
  'x-accel-buffering': 'no',
}

/**
 * Streams what `work` sends. Resolves at the first event, when `work` opens the stream, or after a second: what fails before is
 * answered by the response's status, what fails later is an event. In silence there are comments. Who reads nothing is waited
 * for until the signal fires.
 */
export async function eventStream(
  work: (sender: Sender) => Promise<void>,
  { signal, left, toError, pingInterval, format = {} }: EventStreamOptions,
): Promise<EventStream> {
  const { named, ping, failed = (error) => [errorBody(error)], end } = format
  const frame = (data: object): string => {
    const name = named ? `event: ${(data as { type: string }).type}\n` : ''
    return `${name}data: ${JSON.stringify(data)}\n\n`
  }
  const filler = ping ? frame(ping) : COMMENT
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  const write = (text: string): Promise<void> => writer.write(encoder.encode(text))
  writer.closed.catch(left)
  /** What ends the writing of each event that the client has not taken yet. */
  const waiting = new Set<(reason: unknown) => void>()
  const abort = (): void => {
    for (const end of waiting) end(signal.reason)
  }
  signal.addEventListener('abort', abort, { once: true })
  /** Until the signal fires: what is written lies there then for a client that still reads. */
  const taken = (written: Promise<void>): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.add(reject)
      void written.then(resolve, reject).then(() => waiting.delete(reject))
      if (signal.aborted) abort()
    })
  let silence: ReturnType<typeof setTimeout> | undefined
  const comment = (): void => {
    // Who takes no events needs no comments.
    if (waiting.size === 0) write(filler).catch(() => {})
    listen()
  }
  /** Begins a silence. */
  const listen = (): void => {
    clearTimeout(silence)
    if (pingInterval > 0) silence = setTimeout(comment, Math.min(pingInterval * 1000, MOST_MS))
  }
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const send = (data: object): Promise<void> => {
    open()
    listen()
    return taken(write(frame(data)))
  }
  const late = setTimeout(open, OPEN_MS)
  const done = work({ send, open })
  await Promise.race([opened, done]).finally(() => clearTimeout(late))
  listen()
  const finish = async (): Promise<ApiError | undefined> => {
    const failure = await done.then(() => undefined, toError)
    clearTimeout(silence)
    const last = failure ? failed(failure).map(frame).join('') : end && `data: ${end}\n\n`
    if (last) write(last).catch(() => {})
    // Where it fails the client has gone, and `left` was called; or the time is over.
    await taken(writer.close()).catch(() => {})
    return failure
  }
  return { response: new Response(readable, { headers: HEADERS }), finished: finish() }
}
