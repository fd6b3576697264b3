/** The flags that commands share, with llama.cpp's names, and what the façade calls their values. */
import type { ChatOptions, GenerateOptions, LoadOptions } from '../api/types.ts'
import type { ChatMessage } from '../chat/types.ts'
import { MOST_CONTEXT } from '../engine/context.ts'
import { randomSeed } from '../sampler/sampler.ts'
import type { SourceOptions } from '../source/types.ts'
import {
  choice,
  integer,
  integerOrAuto,
  list,
  number,
  readBias,
  readHeader,
  text,
  texts,
  toggle,
  UsageError,
  type Values,
} from './flags.ts'

export const SOURCE_FLAGS = {
  model: text('-m --model', 'FILE', 'path, http(s) URL or hf:owner/repo/file.gguf; default: the built-in stories260K'),
  hfRepo: text('-hf -hfr --hf-repo', 'OWNER/REPO[:FILE]', 'a GGUF file on the Hugging Face hub'),
  hfFile: text('-hff --hf-file', 'FILE', 'the file of --hf-repo'),
  hfToken: text('-hft --hf-token', 'TOKEN', 'access token for the hub; default: the variable HF_TOKEN'),
  header: list('--header', "'NAME: VALUE'", 'HTTP header of each request; repeatable', readHeader),
  sha256: text('--sha256', 'HEX[,HEX…]', 'SHA-256 that the file must have; of shards, one each'),
}

const CONTEXT_FLAGS = {
  ctxSize: integer('-c --ctx-size', 'context in tokens; 0: as trained; default: min(trained, 4096)', 0, MOST_CONTEXT),
  kv: choice('--kv -ctk --cache-type-k', ['f32', 'f16', 'q8_0'], 'type of the KV cache; default: f16'),
}

export const LOAD_FLAGS = {
  ...CONTEXT_FLAGS,
  threads: integerOrAuto('-t --threads', 'threads; default: auto, one for each core, at most 16', 1, 64),
  batchSize: integer('-b --batch-size', 'tokens of a prefill pass; default: 64; never changes the text', 1, 512),
  isa: choice('--isa', ['auto', 'simd', 'relaxed'], 'wasm build; default: auto; never changes the text'),
}

export const GENERATE_FLAGS = {
  predict: integer('-n --predict --n-predict', 'most tokens to generate; default: -1, no limit', -2),
  reversePrompt: texts('-r --reverse-prompt', 'TEXT', 'stop before this text; repeatable'),
  ignoreEos: toggle('--ignore-eos', 'ban end-of-generation tokens'),
  contextShift: toggle('--context-shift', 'drop the older half of a full context and continue'),
  keep: integer(
    '--keep',
    'prompt tokens that a context shift keeps, by 64; -1: all; default: 0, BOS',
    -1,
    MOST_CONTEXT,
  ),
  special: toggle('-sp --special', 'write special tokens too, except the one that ends the text'),
}

export const SAMPLING_FLAGS = {
  seed: integer('-s --seed', 'seed of the sampler; default: -1, random', -1, 4294967295),
  temp: number('--temp --temperature', 'temperature; 0: greedy; default: 0.8'),
  topK: integer('--top-k', 'keep the k most probable tokens; 0: all; default: 40', -1),
  topP: number('--top-p', 'keep the most probable tokens up to this sum; 1: all; default: 0.95', 0, 1),
  minP: number('--min-p', "keep tokens with this share of the best's probability; default: 0.05", 0, 1),
  typical: number('--typical --typical-p', 'locally typical sampling; 1: off; default: 1', 0, 1),
  topNSigma: number(
    '--top-nsigma --top-n-sigma',
    'keep logits within n standard deviations of the best; default: -1, off',
  ),
  repeatPenalty: number('--repeat-penalty', "divisor of recent tokens' logits; 1: off; default: 1", 1e-45),
  repeatLastN: integer('--repeat-last-n', 'tokens that count as recent; 0: none, -1: all; default: 64', -1),
  frequencyPenalty: number('--frequency-penalty', 'penalty for each recent occurrence; default: 0', -1000, 1000),
  presencePenalty: number('--presence-penalty', 'penalty for any recent occurrence; default: 0', -1000, 1000),
  dynatempRange: number('--dynatemp-range', 'range of the temperature, which follows the entropy; default: 0', 0),
  dynatempExp: number('--dynatemp-exp', 'exponent of the entropy; default: 1', 0),
  logitBias: list('-l --logit-bias', 'ID(+/-)BIAS', '15043+1 favours a token, 15043-inf bans it', readBias),
}

export const CHAT_FLAGS = {
  systemPrompt: text('-sys --system-prompt', 'TEXT', 'system message'),
  chatTemplate: text('--chat-template', 'NAME|JINJA', "built-in format or Jinja; default: the model's template"),
}

export const OTHER_FLAGS = {
  verbose: toggle('-v --verbose', 'print model, seed and speed to stderr, and stacks of errors'),
  help: toggle('-h --help', 'this help'),
}

/** The model that comes with cria; the bundle is dist/cli.js. */
export const BUILT_IN = new URL('../models/stories260K.gguf', import.meta.url)

/** Where the model is: `-m`, the hub, a positional argument, else the built-in model. */
export function locate(values: Values<typeof SOURCE_FLAGS>, positional?: string): string | URL {
  const { model, hfRepo, hfFile } = values
  const given = [model, hfRepo, positional].filter((location) => location !== undefined)
  if (given.length > 1) throw new UsageError(`Give one model, not both ${given[0]} and ${given[1]}.`)
  if (hfRepo === undefined) {
    if (hfFile !== undefined) throw new UsageError('--hf-file needs --hf-repo.')
    if (given[0] === '') throw new UsageError('--model takes a path or URL, not an empty text.')
    return given[0] ?? BUILT_IN
  }
  const colon = hfRepo.indexOf(':')
  const file = hfFile ?? (colon < 0 ? '' : hfRepo.slice(colon + 1))
  if (file.endsWith('.gguf')) return `hf:${colon < 0 ? hfRepo : hfRepo.slice(0, colon)}/${file}`
  throw new UsageError(`--hf-repo takes OWNER/REPO:FILE.gguf (cria does not search the hub), not ${hfRepo}.`)
}

export function sourceOptions(values: Values<typeof SOURCE_FLAGS>, location: string | URL): SourceOptions {
  const { header, sha256, hfToken } = values
  // A token for the hub goes nowhere else.
  const hub = /^(hf:|https:\/\/huggingface\.co\/)/i.test(String(location))
  if (hfToken !== undefined && !hub) {
    throw new UsageError("--hf-token is sent to the Hugging Face hub only; give --header 'Authorization: Bearer …'.")
  }
  const token = hfToken ?? process.env.HF_TOKEN
  return {
    ...(header && { headers: Object.fromEntries(header) }),
    ...(hub && token && { token }),
    ...(sha256 !== undefined && { sha256: sha256.includes(',') ? sha256.split(',') : sha256 }),
  }
}

export function loadOptions(values: Values<typeof LOAD_FLAGS>): LoadOptions {
  const { ctxSize, kv, threads, batchSize, isa } = values
  return {
    ...(ctxSize !== undefined && { context: ctxSize || 'trained' }),
    ...(kv && { kv }),
    ...(threads !== undefined && { threads }),
    ...(batchSize !== undefined && { batch: batchSize }),
    ...(isa && { isa }),
  }
}

/** The seed is drawn here where none is given, so that `--verbose` prints it. */
export function generateOptions(
  values: Values<typeof GENERATE_FLAGS & typeof SAMPLING_FLAGS>,
): GenerateOptions & { seed: number } {
  const { predict = -1, seed = -1 } = values
  const given = {
    maxTokens: predict < 0 ? undefined : predict,
    stop: values.reversePrompt && [...values.reversePrompt],
    ignoreEos: values.ignoreEos,
    contextShift: values.contextShift,
    keep: values.keep,
    showSpecial: values.special,
    temperature: values.temp,
    topK: values.topK,
    topP: values.topP,
    minP: values.minP,
    typicalP: values.typical,
    topNSigma: values.topNSigma,
    repeatPenalty: values.repeatPenalty,
    repeatLastN: values.repeatLastN,
    frequencyPenalty: values.frequencyPenalty,
    presencePenalty: values.presencePenalty,
    dynatempRange: values.dynatempRange,
    dynatempExponent: values.dynatempExp,
    logitBias: values.logitBias && new Map(values.logitBias),
  }
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { ...options, seed: seed < 0 ? randomSeed() : seed }
}

export function chatOptions(values: Values<typeof CHAT_FLAGS>): ChatOptions & { system?: string } {
  const { systemPrompt, chatTemplate } = values
  return {
    ...(systemPrompt !== undefined && { system: systemPrompt }),
    ...(chatTemplate !== undefined && { template: chatTemplate }),
  }
}

/** The messages of a single turn. */
export function oneTurn(prompt: string, system: string | undefined): ChatMessage[] {
  return [...(system === undefined ? [] : [{ role: 'system', content: system }]), { role: 'user', content: prompt }]
}
