/**
 * Keeps the app and cria's runtime, so that they start offline, and adds the headers that threads need. A new version waits
 * until no page of the old one is open, so that no page has parts of both.
 */

/** The files of the app, and a name that changes with them: the build writes both. */
declare const CRIA_FILES: readonly string[]
declare const CRIA_FILES_HASH: string

interface WorkerScope {
  readonly registration: { readonly scope: string }
  readonly clients: { claim(): Promise<void> }
  addEventListener(
    type: 'install' | 'activate',
    listener: (event: { waitUntil(work: Promise<unknown>): void }) => void,
  ): void
  addEventListener(
    type: 'fetch',
    listener: (event: { readonly request: Request; respondWith(answer: Promise<Response>): void }) => void,
  ): void
}
const scope = self as unknown as WorkerScope

const PREFIX = 'cria-app-'
const CACHE = PREFIX + CRIA_FILES_HASH

scope.addEventListener('install', (event) => event.waitUntil(install()))
scope.addEventListener('activate', (event) => event.waitUntil(activate()))
scope.addEventListener('fetch', (event) => {
  const { request } = event
  const own = request.url.startsWith(scope.registration.scope)
  if (request.method === 'GET' && own) event.respondWith(answer(request))
})

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  await Promise.all(CRIA_FILES.map((path) => keep(cache, new URL(path, scope.registration.scope))))
}

/** Keeps a file as it will be answered. */
async function keep(cache: Cache, url: URL): Promise<void> {
  const response = await fetch(url, { cache: 'reload' })
  if (!response.ok) throw new Error(`${url} was answered with ${response.status}.`)
  await cache.put(url, isolated(response))
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE)
  await Promise.all(old.map((name) => caches.delete(name)))
  await scope.clients.claim()
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE)
  const kept = await cache.match(request.mode === 'navigate' ? scope.registration.scope : request, {
    ignoreSearch: true,
  })
  return kept ?? isolated(await fetch(request))
}

/** A new answer: one that came by a redirection is not taken for a page. */
function isolated(response: Response): Response {
  // Of another origin or an error: there is nothing to read or add.
  if (response.status === 0) return response
  const headers = new Headers(response.headers)
  headers.set('cross-origin-opener-policy', 'same-origin')
  headers.set('cross-origin-embedder-policy', 'require-corp')
  headers.set('cross-origin-resource-policy', 'same-origin')
  const { status, statusText } = response
  return new Response(EMPTY.includes(status) ? null : response.body, { status, statusText, headers })
}

/** Statuses of answers that have no body. */
const EMPTY = [204, 205, 304]
