/**
 * A worker for Cloudflare's runtime: `GET /?prompt=TEXT` streams a story as server-sent events, `GET /capabilities` says how
 * it runs. The model's bytes come from a binding (MODEL), or from a URL (MODEL_URL), in ranges: only its weights as they
 * are computed with are held, which with the cache must fit the isolate's 128 MB.
 */
import { type CriaError, capabilities, type Generation, load, type Model } from 'cria'
import wasm from 'cria/relaxed.wasm'

interface Env {
  MODEL?: ArrayBuffer
  MODEL_URL?: string
}

interface Context {
  waitUntil(work: Promise<unknown>): void
}

/** Kept for the requests that follow, in the same isolate. */
let model: Model | undefined

export default {
  async fetch(request: Request, env: Env, context: Context): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/capabilities') return Response.json(capabilities())
    if (pathname !== '/') return new Response('Not found\n', { status: 404 })
    try {
      model ??= await load(env.MODEL ?? env.MODEL_URL ?? '', { wasm, context: 512 })
    } catch (error) {
      return new Response(`${(error as CriaError).message}\n`, { status: 500 })
    }
    const gone = new AbortController()
    const prompt = searchParams.get('prompt') ?? 'Once upon a time'
    const maxTokens = Number(searchParams.get('max_tokens') ?? 60)
    const generation = model.generate(prompt, { maxTokens, temperature: 0, signal: gone.signal })
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    // Also when the client has gone: what its request began would stop half-way, and the next would wait for it.
    context.waitUntil(send(writable, generation, gone))
    return new Response(readable, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
  },
}

/** One event a piece of text, `[DONE]` at the end. Writing fails once the client has gone; then generation ends. */
async function send(
  writable: WritableStream<Uint8Array>,
  generation: Generation,
  gone: AbortController,
): Promise<void> {
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  const event = (data: string): Promise<void> => writer.write(encoder.encode(`data: ${data}\n\n`))
  try {
    for await (const text of generation) await event(JSON.stringify({ text }))
    await event('[DONE]')
    await writer.close()
  } catch (error) {
    gone.abort()
    await writer.abort(error).catch(() => {})
  }
}
