/** cria/gguf: the reader of GGUF headers alone. */
export type { ModelInput } from './api.ts'
export { AbortError, ArgumentError, CriaError, FormatError, SourceError, UnsupportedError } from './errors.ts'
export type { Gguf, Metadata, MetadataValue, TensorInfo } from './gguf/types.ts'
export { readGguf } from './header.ts'
export type { SourceOptions } from './source/source.ts'
