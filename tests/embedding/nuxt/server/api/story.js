import { load } from 'cria'

let model

export default defineEventHandler(async () => {
  model ??= load('models/story.gguf')
  const generation = (await model).generate('Once upon a time', { maxTokens: 40, temperature: 0 })
  return ReadableStream.from(generation).pipeThrough(new TextEncoderStream())
})
