/** cria/gguf: the reader of GGUF headers alone. */

export { readGguf } from './api/header.ts'
export { AbortError, ArgumentError, CriaError, FormatError, SourceError, UnsupportedError } from './errors.ts'
export type { Gguf, Metadata, MetadataValue, TensorInfo } from './gguf/types.ts'
export type { ModelInput, SourceOptions } from './source/types.ts'
