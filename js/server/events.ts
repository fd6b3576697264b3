/** Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ApiError } from './errors.ts'
import { errorBody } from './errors.ts'

export type Send = (data: object) => Promise<void>

export interface EventStream {
  response: Response
  /** Resolves when all is sent, or the client has gone; to what went wrong on the way. */
  finished: Promise<ApiError | undefined>
}

/**
 * Streams what `work` sends, then `[DONE]`. Resolves when the first event is there, so that what fails before is told by
 * the response's status; what fails later is an event. `left` is called when the client goes. Who reads nothing is waited for
 * until the signal fires.
 */
export async function eventStream(
  work: (send: Send) => Promise<void>,
  { signal, left, told }: { signal: AbortSignal; left: () => void; told: (error: unknown) => ApiError },
): Promise<EventStream> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  const write = (data: string): Promise<void> => writer.write(encoder.encode(`data: ${data}\n\n`))
  writer.closed.catch(left)
  let begin!: () => void
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  /** What ends the writing of each event that the client has not taken yet. */
  const waiting = new Set<(reason: unknown) => void>()
  const abort = (): void => {
    for (const end of waiting) end(signal.reason)
  }
  signal.addEventListener('abort', abort, { once: true })
  const send: Send = (data) => {
    begin()
    return new Promise((resolve, reject) => {
      waiting.add(reject)
      void write(JSON.stringify(data))
        .then(resolve, reject)
        .then(() => waiting.delete(reject))
      if (signal.aborted) abort()
    })
  }
  const done = work(send)
  await Promise.race([begun, done])
  const finish = async (): Promise<ApiError | undefined> => {
    const failure = await done.then(() => undefined, told)
    try {
      await write(failure ? JSON.stringify(errorBody(failure)) : '[DONE]')
      await writer.close()
    } catch {
      // The client has gone, and `left` was called.
    }
    return failure
  }
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
  return { response: new Response(readable, { headers }), finished: finish() }
}
