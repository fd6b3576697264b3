/** Quantizing a model; what does it is imported when it is first used. */
import type { ModelInput } from '../source/types.ts'
import type { QuantizeOptions } from './quantize.ts'

export type { QuantizeOptions }

/**
 * Chunks of a GGUF file: a model's weights in another type, byte for byte as llama.cpp's llama-quantize makes them.
 * Only a window of the weights is held at a time.
 *
 * @param input a path, a `file:`, `http(s):` or `hf:owner/repo/file.gguf` URL, a Blob or File, or bytes; of shards the
 *   first's path or URL, or a list of all: a GGUF model in F32, F16 or BF16, or quantized (`allowRequantize`)
 * @param type what llama-quantize calls it: `Q4_K_M`, `Q8_0`, `F16` …
 * @throws ArgumentError for unknown types and what the options forbid; SourceError; FormatError for a file or importance
 *   matrix that is not sound, lacks tensors, or holds NaN or infinities; NumericError for weights beyond the range of the
 *   type; UnsupportedError, WorkerError, AbortError
 */
export async function* quantize(
  input: ModelInput,
  type: string,
  options: QuantizeOptions = {},
): AsyncGenerator<Uint8Array> {
  const { quantizeGguf } = await import('./quantize.ts')
  yield* quantizeGguf(input, type, options)
}
