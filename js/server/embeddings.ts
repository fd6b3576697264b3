/** `/v1/embeddings`. */
import type { EmbedOptions, Model } from '../api/types.ts'
import { promptsOf } from './options.ts'
import type { EmbeddingsBody } from './schemas.ts'

/** @returns the answer, and how many tokens were read for it */
export async function serveEmbeddings(
  body: EmbeddingsBody,
  name: string,
  model: Model,
  options: EmbedOptions,
): Promise<{ answer: object; tokens: number }> {
  const inputs = promptsOf(body.input, model, 'input')
  const embeddings: Float32Array[] = []
  let tokens = 0
  // Some at a time: who asks for many leaves places to others in between.
  for (let from = 0; from < inputs.length; from += model.info.parallel) {
    const some = await model.embed(inputs.slice(from, from + model.info.parallel), options)
    embeddings.push(...some.embeddings)
    for (const count of some.tokens) tokens += count
  }
  const written = body.encoding_format === 'base64' ? base64 : (floats: Float32Array) => Array.from(floats)
  const data = embeddings.map((floats, index) => ({ object: 'embedding', index, embedding: written(floats) }))
  return {
    answer: { object: 'list', data, model: name, usage: { prompt_tokens: tokens, total_tokens: tokens } },
    tokens,
  }
}

/** The floats' bytes, little-endian. */
function base64(floats: Float32Array): string {
  const bytes = new DataView(new ArrayBuffer(floats.length * 4))
  floats.forEach((float, i) => {
    bytes.setFloat32(4 * i, float, true)
  })
  return btoa(Array.from(new Uint8Array(bytes.buffer), (byte) => String.fromCharCode(byte)).join(''))
}
