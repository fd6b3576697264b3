import { load } from 'cria'

const output = document.querySelector('output')
const { serviceWorker } = navigator

// The service worker answers with the headers that the host does not send: from the next load of the page on.
if (!crossOriginIsolated && serviceWorker && !serviceWorker.controller) {
  await serviceWorker.register('isolate.js')
  await serviceWorker.ready
  location.reload()
} else {
  const model = await load('story.gguf')
  document.title = `A story, on ${model.info.threads} threads`
  for await (const piece of model.generate('Once upon a time', { maxTokens: 40, temperature: 0 })) output.append(piece)
  await model.close()
}
