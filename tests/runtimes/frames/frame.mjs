/**
 * A page in a frame: loads a model, tells a story, and posts how it went to its parent. The hash of its address is JSON:
 * `entry`, the module of dist/web/ that has `load`; `model`, or `handle: true` for a file of the page's own; `options` of
 * `load`; `cache: true` for a `fetch` that goes by a cache; `offline: true` for a service worker that does; `times`, how often
 * it is loaded; `lost`, an address to tell that the connection is.
 */
const {
  entry,
  model,
  options,
  cache,
  handle,
  offline,
  times = 1,
  lost,
} = JSON.parse(decodeURIComponent(location.hash.slice(1)))
const violations = []
const warnings = []
addEventListener('securitypolicyviolation', ({ effectiveDirective }) => violations.push(effectiveDirective))

try {
  if (offline) await startServiceWorker()
  const { load } = await import(entry)
  let told
  for (let time = 0; time < times; time++) {
    const loaded = await load(handle ? await fileHandle() : model, {
      retryDelay: 50,
      onWarning: warn,
      ...(cache && { fetch: cached }),
      ...options,
    })
    const { text } = await loaded.generate('Once upon a time', { temperature: 0, maxTokens: 30 }).result()
    told = { text, threads: loaded.info.threads }
    await loaded.close()
  }
  tell(told)
} catch (error) {
  tell({ name: error.name, code: error.code, message: error.message, value: error.value })
}

function tell(outcome) {
  parent.postMessage({ ...outcome, warnings, violations }, '*')
}

function warn({ code, message }) {
  warnings.push({ code, message })
  if (lost && code === 'CONNECTION_LOST') fetch(lost)
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

/** WebKit has no files of a page's own where it is driven by others. */
async function fileHandle() {
  if (!navigator.storage?.getDirectory) {
    return { name: 'model.gguf', getFile: async () => new File([await (await fetch(model)).blob()], 'model.gguf') }
  }
  const folder = await navigator.storage.getDirectory()
  const file = await folder.getFileHandle('model.gguf', { create: true })
  const writable = await file.createWritable()
  await writable.write(await (await fetch(model)).blob())
  await writable.close()
  return file
}
