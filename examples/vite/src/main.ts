/** Loads the model that the address names (?model=URL), tells a story, and says how it runs. */
import { capabilities, load } from 'cria'

const [status, text] = ['status', 'text'].map((id) => document.getElementById(id) as HTMLElement)
const url = new URL(new URLSearchParams(location.search).get('model') ?? 'model.gguf', location.href)

try {
  const model = await load(url, { onProgress: ({ phase, done, total }) => say(`${phase}: ${done} of ${total} bytes`) })
  for await (const piece of model.generate('Once upon a time', { maxTokens: 60, temperature: 0 })) text?.append(piece)
  say(`Done, on ${model.info.threads} threads. ${capabilities().why}`)
  await model.close()
} catch (error) {
  say(`Failed: ${error}`)
}

function say(what: string): void {
  if (status) status.textContent = what
}
