/** Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ApiError } from './errors.ts'
import { errorBody } from './errors.ts'

export type Send = (data: object) => Promise<void>

export interface EventStream {
  response: Response
  /** Resolves when all is sent, the client has gone, or the signal has fired; to what went wrong on the way. */
  finished: Promise<ApiError | undefined>
}

/**
 * Streams what `work` sends, then `[DONE]`. Resolves when the first event is there, so that what fails before is answered by
 * the response's status; what fails later is an event. `left` is called when the client goes. Who reads nothing is waited for
 * until the signal fires.
 */
export async function eventStream(
  work: (send: Send) => Promise<void>,
  { signal, left, toError }: { signal: AbortSignal; left: () => void; toError: (error: unknown) => ApiError },
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
  /** Until the signal fires: what is written lies there then for a client that still reads. */
  const taken = (written: Promise<void>): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.add(reject)
      void written.then(resolve, reject).then(() => waiting.delete(reject))
      if (signal.aborted) abort()
    })
  const send: Send = (data) => {
    begin()
    return taken(write(JSON.stringify(data)))
  }
  const done = work(send)
  await Promise.race([begun, done])
  const finish = async (): Promise<ApiError | undefined> => {
    const failure = await done.then(() => undefined, toError)
    write(failure ? JSON.stringify(errorBody(failure)) : '[DONE]').catch(() => {})
    // Where it fails the client has gone, and `left` was called; or the time is over.
    await taken(writer.close()).catch(() => {})
    return failure
  }
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
  return { response: new Response(readable, { headers }), finished: finish() }
}
