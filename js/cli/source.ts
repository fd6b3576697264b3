/** Where a command's model is, and how it is read. */
import type { Overrides } from '../gguf/overrides.ts'
import type { SourceOptions } from '../source/types.ts'
import { readRepository } from '../store/hub.ts'
import { list, or, readHeader, text, toggle, UsageError, type Values } from './flags.ts'
import { findModel, isHub, onHub } from './hub.ts'
import { overridesOf, readOverrides } from './overrides.ts'

const READ_FLAGS = {
  hfToken: text('-hft --hf-token', 'TOKEN', 'access token for the hub; default: the variable HF_TOKEN'),
  header: list('--header', "'NAME: VALUE'", 'HTTP header of each request; repeatable', readHeader),
  sha256: text('--sha256', 'HEX[,HEX…]', 'SHA-256 that the file must have; of shards, one each'),
}

export const SOURCE_FLAGS = {
  model: or(
    'LLAMA_ARG_MODEL',
    text('-m --model', 'FILE', 'path, http(s) URL or hf:owner/repo/file.gguf; default: the built-in stories260K'),
  ),
  modelUrl: or('LLAMA_ARG_MODEL_URL', text('-mu --model-url', 'URL', 'as -m URL')),
  hfRepo: or(
    'LLAMA_ARG_HF_REPO',
    text(
      '-hf -hfr --hf-repo',
      'OWNER/REPO[:QUANT]',
      'the GGUF file of a repository of the Hugging Face hub that has QUANT in its name; default: Q4_K_M, else Q8_0, else the first',
    ),
  ),
  hfFile: or('LLAMA_ARG_HF_FILE', text('-hff --hf-file', 'FILE', 'the file of --hf-repo')),
  ...READ_FLAGS,
  offline: or('LLAMA_ARG_OFFLINE', toggle('--offline', 'reach no network: --hf-repo means files downloaded before')),
}

export const OVERRIDE_FLAGS = {
  overrideKv: list(
    '--override-kv',
    'KEY=TYPE:VALUE,…',
    'metadata in place of the file’s; TYPE: int, float, bool, str; repeatable',
    readOverrides,
  ),
}

/** Of commands that take the model as an argument. */
export const INPUT_FLAGS = READ_FLAGS

/** The model that comes with cria; the bundle is dist/cli.js. */
export const BUILT_IN = new URL('../models/stories260K.gguf', import.meta.url)

export interface Input {
  location: string | URL
  options: SourceOptions & { overrides?: Overrides }
}

type Given = Values<typeof SOURCE_FLAGS> & Values<typeof OVERRIDE_FLAGS>

/** The model that is meant: `-m`, `-mu`, the hub, a positional argument, else the built-in one. */
export async function findInput(values: Given, signal: AbortSignal, positional?: string): Promise<Input> {
  const location = await locate(values, signal, positional)
  if (values.offline && /^(hf|https?):/i.test(String(location))) {
    throw new UsageError(`${location} is read over the network, which --offline forbids.`)
  }
  const overrides = overridesOf(values.overrideKv)
  return { location, options: { ...sourceOptions(values, location), ...(overrides && { overrides }) } }
}

async function locate(values: Given, signal: AbortSignal, positional?: string): Promise<string | URL> {
  const { model, modelUrl, hfRepo, hfFile, hfToken, offline = false } = values
  const given = [model, modelUrl, hfRepo, positional].filter((location) => location !== undefined)
  if (given.length > 1) throw new UsageError(`Give one model, not both ${given[0]} and ${given[1]}.`)
  if (hfRepo === undefined) {
    if (hfFile !== undefined) throw new UsageError('--hf-file needs --hf-repo.')
    if (given[0] === '') throw new UsageError('--model takes a path or URL, not an empty text.')
    return given[0] === undefined ? BUILT_IN : onHub(given[0])
  }
  const repository = readRepository(hfRepo)
  if (!repository) throw new UsageError(`--hf-repo takes OWNER/REPO[:QUANT], not ${hfRepo}.`)
  const file = hfFile ?? (repository.tag?.endsWith('.gguf') ? repository.tag : undefined)
  return findModel(repository, { file, token: tokenOf(hfToken), offline, signal })
}

function tokenOf(given: string | undefined): string | undefined {
  return given ?? process.env.HF_TOKEN
}

export function sourceOptions(values: Values<typeof INPUT_FLAGS>, location: string | URL): SourceOptions {
  const { header, sha256, hfToken } = values
  // A token for the hub goes nowhere else.
  const hub = isHub(location)
  if (hfToken !== undefined && !hub && /^https?:/i.test(String(location))) {
    throw new UsageError("--hf-token is sent to the Hugging Face hub only; give --header 'Authorization: Bearer …'.")
  }
  const token = tokenOf(hfToken)
  return {
    ...(header && { headers: Object.fromEntries(header) }),
    ...(hub && token && { token }),
    ...(sha256 !== undefined && { sha256: sha256.includes(',') ? sha256.split(',') : sha256 }),
  }
}
