/** Puts the cache before the network, as pages that work offline do. */
addEventListener('install', () => self.skipWaiting())
addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
addEventListener('fetch', (event) => event.respondWith(answer(event.request)))

async function answer(request) {
  const cache = await caches.open('offline')
  const hit = await cache.match(request, { ignoreVary: true })
  if (hit) return hit
  const response = await fetch(request)
  if (response.ok) await cache.put(request, response.clone())
  return response
}
