/** A source in the place of `fetch`: what is made on the fly is loaded as if a server sent it. */
import type { Source } from '../source/types.ts'

/** The address that {@link fetchFrom} answers under. */
export const SOURCE_URL = 'http://source.invalid/model.gguf'

/** Bytes a chunk of an answer has. */
const CHUNK = 1024 * 1024

/** Answers every request, from its Range on, with the source's bytes, made as they are read. */
export function fetchFrom(source: Source): typeof globalThis.fetch {
  return async (_, init) => {
    const range = new Headers(init?.headers).get('range')
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    let position = start
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const chunk = new Uint8Array(Math.min(CHUNK, source.size - position))
          await source.read(chunk, position)
          position += chunk.length
          controller.enqueue(chunk)
          if (position === source.size) controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const headers = { 'content-range': `bytes ${start}-${source.size - 1}/${source.size}` }
    return new Response(body, { status: 206, headers })
  }
}
