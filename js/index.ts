/** cria: LLaMA-family language models in WebAssembly SIMD. */
export type * from './api.ts'
export { type Capabilities, capabilities } from './capabilities.ts'
export { type ConvertOptions, convertLlama2c } from './convert/llama2c.ts'
export {
  AbortError,
  ArgumentError,
  ClosedError,
  ContextError,
  CriaError,
  FormatError,
  MemoryError,
  NumericError,
  SourceError,
  TemplateError,
  UnsupportedError,
  WorkerError,
} from './errors.ts'
export type { Gguf, Metadata, MetadataValue, TensorInfo } from './gguf/types.ts'
export { loadTokenizer, readGguf } from './header.ts'
export { inspect, load } from './load.ts'
export { type QuantizeOptions, quantize } from './quantize.ts'
export type { LogitBias, SamplerOptions } from './sampler/types.ts'
export type { SourceOptions } from './source/source.ts'
export type { StreamDecoder, StreamOptions, Tokenizer } from './tokenizer/tokenizer.ts'
