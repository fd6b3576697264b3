import { load } from 'cria'

let model

export async function loader({ request }) {
  model ??= load('models/story.gguf')
  const options = { maxTokens: 40, temperature: 0, signal: request.signal }
  const generation = (await model).generate('Once upon a time', options)
  return new Response(ReadableStream.from(generation).pipeThrough(new TextEncoderStream()))
}
