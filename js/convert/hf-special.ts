/**
 * Which tokens of a Hugging Face folder have a part of their own, and its chat templates, as GGUF metadata. Source: llama.cpp's
 * gguf-py, SpecialVocab (what counts, where files contradict each other, and the order).
 */
import type { CriaWarning } from '../api/types.ts'
import type { MetadataEntry, ScalarType, ScalarValue } from '../gguf/writer.ts'
import { END_OF_GENERATION } from '../tokenizer/special-tokens.ts'
import { asObject, asObjects, type Folder, type Json } from './folder.ts'

/** transformers' names and GGUF's, which spells one so. */
const PARTS = [
  ['bos', 'bos'],
  ['eos', 'eos'],
  ['unk', 'unknown'],
  ['sep', 'seperator'],
  ['pad', 'padding'],
  ['mask', 'mask'],
] as const
/** Granite's small models and SmolLM say that BOS is put first, and do not. Source: llama.cpp. */
const WITHOUT_BOS = 49152

type SpecialRole = (typeof PARTS)[number][0] | 'eot' | 'eom'

/**
 * Parts that models give to tokens without saying so in their files; of those with a colon, in the place of what is said.
 * Source: llama.cpp's converter.
 */
const BY_ARCHITECTURE: Record<string, string> = {
  GlmForCausalLM: 'eos=<|endoftext|> eot=<|user|> unk=<|endoftext|>',
  Glm4ForCausalLM: 'eos=<|endoftext|> eot=<|user|> unk=<|endoftext|> bos=<|endoftext|>',
  InternLM2ForCausalLM: 'eos:<|im_end|>',
  InternLM3ForCausalLM: 'eos:<|im_end|>',
}

export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer?: Json
  /** tokenizer_config.json */
  settings: Json
  /** config.json */
  config: Json
  /** generation_config.json */
  generation?: Json
}

export function architectureOf(config: Json): string {
  return Array.isArray(config.architectures) ? String(config.architectures[0]) : ''
}

const entry = (key: string, type: ScalarType, value: ScalarValue): MetadataEntry => ({ key, type, value })

/**
 * @param tokens the vocabulary's texts: ids beyond name nothing
 * @returns the entries, and those that llama.cpp's converter writes after the chat template
 */
export function describeSpecialTokens(
  files: TokenizerFiles,
  tokens: readonly string[],
  warn: (warning: CriaWarning) => void,
): { special: MetadataEntry[]; late: MetadataEntry[] } {
  const { texts, adds } = readTexts(files)
  const ids = new Map(asObjects(files.tokenizer?.added_tokens).map((token) => [token.content, token.id]))
  const isId = (id: unknown): id is number =>
    Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokens.length
  const parts = new Map<SpecialRole, number>()
  const wanted: SpecialRole[] = [...PARTS.map(([part]) => part), ...(texts.has('eot') ? (['eot'] as const) : [])]
  const give = (idOf: (part: SpecialRole) => unknown) => {
    for (const part of wanted) {
      const id = idOf(part)
      if (isId(id) && !parts.has(part)) parts.set(part, id)
    }
  }
  give((part) => ids.get(texts.get(part)))
  for (const config of configs(files)) give((part) => config[`${part}_token_id`])
  setParts(parts, files, tokens, isId)
  const late = lateParts(files, tokens.length)
  for (const [part, id] of late) {
    if (!isId(id)) late.delete(part)
    else if (parts.has(part as SpecialRole)) {
      parts.set(part as SpecialRole, id)
      late.delete(part)
    }
  }
  const left = listedEnds(parts, late, files, tokens, isId)
  if (left.length > 0) {
    const message = `The model ends its answers with more tokens than GGUF can name: it will not stop at ${left.join(', ')}.`
    warn({ code: 'EOS_TOKENS', message })
  }
  const describe = ([part, id]: [string, number]) => {
    const name = PARTS.find(([known]) => known === part)?.[1] ?? part
    return entry(`tokenizer.ggml.${name}_token_id`, 'uint32', id)
  }
  const special = Array.from(parts, describe)
  if (tokens.length === WITHOUT_BOS) adds.set('bos', false)
  for (const [part, value] of adds) special.push(entry(`tokenizer.ggml.add_${part}_token`, 'bool', value))
  return { special, late: Array.from(late, describe) }
}

/** config.json, and its part that describes the text model of several. */
function configs({ config }: TokenizerFiles): Json[] {
  return [config, asObject(config.text_config) ?? {}]
}

/** Sets what architectures say beside the names. */
function setParts(
  parts: Map<SpecialRole, number>,
  { config }: TokenizerFiles,
  tokens: readonly string[],
  isId: (id: unknown) => id is number,
): void {
  const architecture = architectureOf(config)
  for (const rule of (BY_ARCHITECTURE[architecture] ?? '').split(' ')) {
    const [, part, sign, text = ''] = /^(\w+)([=:])(.*)$/.exec(rule) ?? []
    const id = tokens.indexOf(text)
    if (part !== undefined && id >= 0 && (sign === ':' || !parts.has(part as SpecialRole)))
      parts.set(part as SpecialRole, id)
  }
  const end = config.eod_token_id
  if (architecture === 'HunYuanDenseV1ForCausalLM' && isId(end)) parts.set('eos', end)
}

/** Ids by the part of their key that architectures have in any case; Code Llama is known by its size. Source: llama.cpp. */
function lateParts({ config, generation }: TokenizerFiles, count: number): Map<string, number> {
  const ends: unknown = generation?.eos_token_id
  const parts = new Map<string, number>()
  switch (architectureOf(config)) {
    case 'GemmaForCausalLM':
      return parts.set('eot', 107)
    case 'NemotronForCausalLM':
      return parts.set('pad', 0).set('unk', 1)
    case 'HunYuanDenseV1ForCausalLM':
      return Array.isArray(ends) && ends.length > 1 ? parts.set('eot', Number(ends[0])) : parts
    default:
      return count === 32016
        ? parts.set('prefix', 32007).set('suffix', 32008).set('middle', 32009).set('eot', 32010)
        : parts
  }
}

/**
 * Gives those of a list of ends a part that no reader knows by their text. llama.cpp's converter passes such lists over.
 *
 * @returns the texts of those for which there is no part left
 */
function listedEnds(
  parts: Map<SpecialRole, number>,
  late: ReadonlyMap<string, number>,
  files: TokenizerFiles,
  tokens: readonly string[],
  isId: (id: unknown) => id is number,
): string[] {
  const lists = [...configs(files), files.generation ?? {}].map((config) => config.eos_token_id).filter(Array.isArray)
  const left: string[] = []
  for (const id of new Set(lists.flat().filter(isId))) {
    const known = [...parts.values(), ...late.values()].includes(id) || END_OF_GENERATION.includes(tokens[id]!)
    if (known && parts.has('eos')) continue
    const part = (['eos', 'eot', 'eom'] as const).find((name) => !parts.has(name) && !late.has(name))
    if (part === undefined) left.push(tokens[id]!)
    else parts.set(part, id)
  }
  return left
}

/** The special tokens' texts, and whether BOS and EOS are put around a text. */
export function readTexts({ tokenizer, settings }: TokenizerFiles): {
  texts: Map<string, string>
  adds: Map<'bos' | 'eos', boolean>
} {
  const texts = new Map<string, string>()
  const read = (part: string, key: string): void => {
    const value = settings[`${key}_token`]
    const text = typeof value === 'string' ? value : asObject(value)?.content
    if (typeof text === 'string' && text !== '' && !texts.has(part)) texts.set(part, text)
  }
  for (const [part] of PARTS) read(part, part)
  read('cls', 'cls')
  if (tokenizer) {
    read('bos', 'cls')
    read('eos', 'sep')
  }
  const adds = new Map<'bos' | 'eos', boolean>()
  const processor = asObject(tokenizer?.post_processor)
  for (const step of processor
    ? Array.isArray(processor.processors)
      ? asObjects(processor.processors)
      : [processor]
    : []) {
    if (step.type === 'ByteLevel') for (const part of ['bos', 'eos'] as const) adds.set(part, adds.get(part) ?? false)
    if (step.type === 'TemplateProcessing') readTemplate(asObjects(step.single), texts, adds)
  }
  for (const part of ['bos', 'eos'] as const) {
    const value = settings[`add_${part}_token`]
    if (typeof value === 'boolean' && !adds.has(part)) adds.set(part, value)
  }
  return { texts, adds }
}

/** What a template puts first and last is BOS and EOS; an EOS that the settings call otherwise ends a turn. */
function readTemplate(single: readonly Json[], texts: Map<string, string>, adds: Map<'bos' | 'eos', boolean>): void {
  if (single.length < 2) return
  const special = (step: Json | undefined) => {
    const id = asObject(step?.SpecialToken)?.id
    return typeof id === 'string' ? id : undefined
  }
  const first = special(single[0])
  if (first !== undefined) {
    if (!texts.has('bos')) texts.set('bos', first)
    // Where no token is named as cls, the first is.
    adds.set('bos', !texts.has('cls') || first === texts.get('bos') || first === texts.get('cls'))
  }
  const last = special(single[single.length - 1])
  if (last === undefined) return
  const eos = texts.get('eos')
  if (eos !== undefined && eos !== last) texts.set('eot', eos)
  texts.set('eos', last)
  adds.set('eos', true)
}

/** Chat templates: of tokenizer_config.json, or of files of their own. */
export async function describeChatTemplates(folder: Folder, settings: Json): Promise<MetadataEntry[]> {
  const given = settings.chat_template ?? (await templateFile(folder))
  if (typeof given === 'string') return given === '' ? [] : [entry('tokenizer.chat_template', 'string', given)]
  const named = asObjects(given)
    .map(({ name, template }) => ({ name: String(name ?? '').replace(/[^A-Za-z0-9]/g, '_'), template }))
    .filter((choice): choice is { name: string; template: string } => typeof choice.template === 'string')
  const others = named.filter(({ name }) => name !== '' && name !== 'default')
  const main = named.find(({ name }) => name === 'default')
  return [
    ...others.map(({ name, template }) => entry(`tokenizer.chat_template.${name}`, 'string', template)),
    ...(others.length > 0
      ? [
          {
            key: 'tokenizer.chat_templates',
            type: 'array',
            of: 'string',
            value: others.map(({ name }) => name),
          } as const,
        ]
      : []),
    ...(main ? [entry('tokenizer.chat_template', 'string', main.template)] : []),
  ]
}

async function templateFile(folder: Folder): Promise<unknown> {
  if (folder.has('chat_template.jinja')) {
    const templates = [{ name: 'default', template: await folder.text('chat_template.jinja') }]
    for (const file of folder.names) {
      const name = /^additional_chat_templates\/(.+)\.jinja$/.exec(file)?.[1]
      if (name !== undefined) templates.push({ name, template: await folder.text(file) })
    }
    return templates
  }
  return (await folder.jsonIfPresent('chat_template.json'))?.chat_template
}
