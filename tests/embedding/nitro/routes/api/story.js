import { load } from 'cria'
import { eventHandler } from 'h3'

let model

export default eventHandler(async () => {
  model ??= load(process.env.MODEL ?? 'models/story.gguf')
  return (await (await model).generate('Once upon a time', { maxTokens: 40, temperature: 0 }).result()).text
})
