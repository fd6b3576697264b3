/** cria/tokenizer: the tokenizer alone. */

export { loadTokenizer } from './api/header.ts'
export { AbortError, ArgumentError, CriaError, FormatError, SourceError, UnsupportedError } from './errors.ts'
export type { ModelInput, SourceOptions } from './source/types.ts'
export type {
  DetokenizeOptions,
  StreamDecoder,
  StreamOptions,
  TokenizeOptions,
  Tokenizer,
} from './tokenizer/tokenizer.ts'
