/** Asks the service worker beside it for a story, and shows it as it comes. */
const [status, text] = ['status', 'text'].map((id) => document.getElementById(id))

try {
  await navigator.serviceWorker.register('worker.js', { type: 'module' })
  await navigator.serviceWorker.ready
  if (!navigator.serviceWorker.controller) {
    await new Promise((resolve) =>
      navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }),
    )
  }
  const response = await fetch('generate?prompt=Once upon a time')
  if (!response.ok) throw new Error(await response.text())
  status.textContent = response.headers.get('x-capabilities')
  for await (const piece of pieces(response)) text.append(piece)
  status.textContent += ' Done.'
} catch (error) {
  status.textContent = `Failed: ${error}`
}

async function* pieces(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
}
