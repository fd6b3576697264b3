/** What a file's header alone gives: its metadata and tensors, its tokenizer. */
import * as platform from '#platform'
import type { Overrides } from '../gguf/overrides.ts'
import { readModel } from '../gguf/shards.ts'
import type { Gguf } from '../gguf/types.ts'
import { checkSourceOptions, SOURCE_OPTIONS } from '../source/check.ts'
import { openModel } from '../source/shards.ts'
import type { ModelInput, SourceOptions } from '../source/types.ts'
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts'
import { checkOptions } from '../util/check.ts'
import { warnBy } from '../util/warn.ts'

/** How a header is read; `overrides` as for `load`. */
interface HeaderOptions extends SourceOptions {
  overrides?: Overrides
  signal?: AbortSignal
}

/**
 * Metadata and tensors of a GGUF file, without reading the weights.
 * @throws ArgumentError, SourceError, FormatError, UnsupportedError for a version that cria does not read, AbortError
 */
export async function readGguf(input: ModelInput, options: HeaderOptions = {}): Promise<Gguf> {
  checkOptions(options, { ...SOURCE_OPTIONS, overrides: true })
  return readHeader(input, options)
}

/** As readGguf, of options whose names are checked. */
export async function readHeader(input: ModelInput, options: HeaderOptions): Promise<Gguf> {
  checkSourceOptions(options)
  const source = await openModel(input, platform.openFile, options)
  try {
    return await readModel(source, options.signal, options.overrides)
  } finally {
    await source.close()
  }
}

/**
 * The tokenizer of a model's file, or of one that holds only a vocabulary. `onWarning` hears of what is wrong with the
 * vocabulary and can be helped; default: `console.warn`.
 * @throws ArgumentError, SourceError, FormatError, UnsupportedError for a tokenizer that cria does not have, AbortError
 */
export async function loadTokenizer(input: ModelInput, options: HeaderOptions = {}): Promise<Tokenizer> {
  const { metadata } = await readGguf(input, options)
  return createTokenizer(metadata, warnBy(options.onWarning))
}
