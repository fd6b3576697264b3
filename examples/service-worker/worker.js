/**
 * A service worker that answers `generate?prompt=TEXT` with a story, as it is told: no server has a part in it. There are no
 * workers in a service worker and nothing is imported later on, so it takes the module that holds all within itself, and
 * runs the model in its own thread, which breathes between tokens.
 */
import { capabilities, load } from '../../dist/web/inline.js'

let model

addEventListener('install', () => self.skipWaiting())
addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (url.pathname.endsWith('/generate')) event.respondWith(answer(url.searchParams.get('prompt') ?? ''))
})

async function answer(prompt) {
  try {
    model ??= await load('../../models/stories260K.gguf', { inProcess: true })
  } catch (error) {
    return new Response(error.message, { status: 500 })
  }
  const gone = new AbortController()
  const { readable, writable } = new TransformStream()
  void write(writable, model.generate(prompt, { maxTokens: 60, temperature: 0, signal: gone.signal }), gone)
  return new Response(readable, {
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-capabilities': capabilities().why },
  })
}

/** Writing fails once nobody reads any more; then generation ends. */
async function write(writable, generation, gone) {
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  try {
    for await (const text of generation) await writer.write(encoder.encode(text))
    await writer.close()
  } catch (error) {
    gone.abort()
    await writer.abort(error).catch(() => {})
  }
}
