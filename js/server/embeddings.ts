/** `/v1/embeddings`, and llama-server's own `/embedding`. */
import type { EmbedOptions, Model } from '../api/types.ts'
import { badRequest } from './errors.ts'
import { nativePromptsOf, type OnePrompt, promptsOf } from './prompts.ts'
import type { EmbeddingsBody, NativeEmbeddingsBody } from './schemas.ts'

export interface Embedded {
  answer: object
  /** How many were read for it. */
  tokens: number
}

export async function serveEmbeddings(
  body: EmbeddingsBody,
  name: string,
  model: Model,
  options: EmbedOptions,
): Promise<Embedded> {
  const { dimensions, encoding_format: format } = body
  const { embeddingLength } = model.info
  if (dimensions !== undefined && dimensions !== embeddingLength) {
    const message = `dimensions is not supported, but for ${embeddingLength}, as many as the model has.`
    throw badRequest('dimensions', message, dimensions, 'unsupported_parameter')
  }
  const { embeddings, tokens } = await embed(promptsOf(body.input, model, 'input'), model, options)
  const written = format === 'base64' ? base64 : (floats: Float32Array) => Array.from(floats)
  const data = embeddings.map((floats, index) => ({ object: 'embedding', index, embedding: written(floats) }))
  return {
    answer: { object: 'list', data, model: name, usage: { prompt_tokens: tokens, total_tokens: tokens } },
    tokens,
  }
}

/** A list whose entries have a list of one embedding: llama-server can give one for each token. */
export async function serveNativeEmbeddings(
  body: NativeEmbeddingsBody,
  model: Model,
  options: EmbedOptions,
): Promise<Embedded> {
  const param = body.input === undefined ? 'content' : 'input'
  const prompt = body[param]!
  const { embd_normalize: asked } = body
  const all = { ...options, ...(asked !== undefined && { normalize: asked !== -1 }) }
  const { embeddings, tokens } = await embed(nativePromptsOf(prompt, model, param), model, all)
  return { answer: embeddings.map((floats, index) => ({ index, embedding: [Array.from(floats)] })), tokens }
}

/** Some at a time: who asks for many leaves places to others in between. */
async function embed(
  inputs: readonly OnePrompt[],
  model: Model,
  options: EmbedOptions,
): Promise<{ embeddings: Float32Array[]; tokens: number }> {
  const embeddings: Float32Array[] = []
  let tokens = 0
  for (let from = 0; from < inputs.length; from += model.info.parallel) {
    const some = await model.embed(inputs.slice(from, from + model.info.parallel), options)
    embeddings.push(...some.embeddings)
    for (const count of some.tokens) tokens += count
  }
  return { embeddings, tokens }
}

/** The floats' bytes, little-endian. */
function base64(floats: Float32Array): string {
  const bytes = new DataView(new ArrayBuffer(floats.length * 4))
  floats.forEach((float, i) => {
    bytes.setFloat32(4 * i, float, true)
  })
  return btoa(Array.from(new Uint8Array(bytes.buffer), (byte) => String.fromCharCode(byte)).join(''))
}
