/** cria: LLaMA-family language models in WebAssembly SIMD. */

export { type Capabilities, capabilities } from './api/capabilities.ts'
export { loadTokenizer, readGguf } from './api/header.ts'
export { inspect } from './api/inspect.ts'
export { load } from './api/load.ts'
export type * from './api/types.ts'
export { type ConvertOptions, convertLlama2c } from './convert/llama2c.ts'
export {
  AbortError,
  ArgumentError,
  ClosedError,
  ContextError,
  CriaError,
  FormatError,
  GrammarError,
  MemoryError,
  NumericError,
  SourceError,
  TemplateError,
  ToolError,
  UnsupportedError,
  WorkerError,
} from './errors.ts'
export type { Gguf, Metadata, MetadataValue, TensorInfo } from './gguf/types.ts'
export { type QuantizeOptions, quantize } from './quantize/index.ts'
export type { LogitBias, SamplerOptions } from './sampler/types.ts'
export type { SourceOptions } from './source/types.ts'
export type { StreamDecoder, StreamOptions, Tokenizer } from './tokenizer/tokenizer.ts'
