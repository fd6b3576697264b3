import path from 'node:path'
import { load } from 'cria'

export const dynamic = 'force-dynamic'

/** Loaded by the first request, for all. */
let model

export async function GET(request) {
  model ??= load(path.join(process.cwd(), 'models/story.gguf'))
  const generation = (await model).generate('Once upon a time', {
    maxTokens: 40,
    temperature: 0,
    signal: request.signal,
  })
  const body = ReadableStream.from(generation).pipeThrough(new TextEncoderStream())
  return new Response(body, { headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
