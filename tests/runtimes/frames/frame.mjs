/**
 * A page in a frame: loads a model, tells a story, and posts how it went to its parent. The hash of its address is JSON:
 * `entry`, the module of dist/web/ that has `load`; `model`, or `handle: true` for a file of the page's own; `options` of
 * `load`; `cache: true` for a `fetch` that goes by a cache; `offline: true` for a service worker that does.
 */
const { entry, model, options, cache, handle, offline } = JSON.parse(decodeURIComponent(location.hash.slice(1)))
const violations = []
const warnings = []
addEventListener('securitypolicyviolation', ({ effectiveDirective }) => violations.push(effectiveDirective))

try {
  if (offline) await startServiceWorker()
  const { load } = await import(entry)
  const loaded = await load(handle ? await fileHandle() : model, {
    retryDelay: 50,
    onWarning: ({ code, message }) => warnings.push({ code, message }),
    ...(cache && { fetch: cached }),
    ...options,
  })
  const { text } = await loaded.generate('Once upon a time', { temperature: 0, maxTokens: 30 }).result()
  const { threads } = loaded.info
  await loaded.close()
  tell({ text, threads })
} catch (error) {
  tell({ name: error.name, code: error.code, message: error.message, value: error.value })
}

function tell(outcome) {
  parent.postMessage({ ...outcome, warnings, violations }, '*')
}

/** As much written code has it: what is in the cache goes before the network. */
async function cached(url, init) {
  const store = await caches.open('models')
  const hit = await store.match(url)
  if (hit) return hit
  const response = await fetch(url, init)
  await store.put(url, response.clone())
  return response
}

async function startServiceWorker() {
  await navigator.serviceWorker.register('service-worker.js', { scope: '/' })
  await navigator.serviceWorker.ready
  if (navigator.serviceWorker.controller) return
  await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
}

async function fileHandle() {
  const folder = await navigator.storage.getDirectory()
  const file = await folder.getFileHandle('model.gguf', { create: true })
  const writable = await file.createWritable()
  await writable.write(await (await fetch(model)).blob())
  await writable.close()
  return file
}
