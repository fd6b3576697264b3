/**
 * Which tokens of a Hugging Face folder have a part of their own, and its chat templates, as GGUF metadata. Source: llama.cpp's
 * gguf-py, SpecialVocab (what counts, where files contradict each other, and the order).
 */
import type { CriaWarning } from '../api/types.ts'
import type { MetadataEntry, ScalarType, ScalarValue } from '../gguf/writer.ts'
import { END_OF_GENERATION } from '../tokenizer/special-tokens.ts'
import { asObject, asObjects, type Json } from '../util/json.ts'
import { architectureOf, familyOf } from './families/index.ts'
import type { Folder } from './folder.ts'

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

const entry = (key: string, type: ScalarType, value: ScalarValue): MetadataEntry => ({ key, type, value })

export interface SpecialEntries {
  entries: MetadataEntry[]
  /** Of what only the family says: they come after the chat templates. */
  last: MetadataEntry[]
}

/** @param tokens the vocabulary's texts: ids beyond name nothing */
export function describeSpecialTokens(
  files: TokenizerFiles,
  tokens: readonly string[],
  warn: (warning: CriaWarning) => void,
): SpecialEntries {
  const { texts, adds } = readTexts(files)
  const parts = findParts(files, tokens, texts)
  const last = familyParts(parts, files, tokens)
  const left = listedEnds(parts, last, files, tokens)
  if (left.length > 0) {
    const message = `The model ends its answers with more tokens than GGUF can name: it will not stop at ${left.join(', ')}.`
    warn({ code: 'EOS_TOKENS', message })
  }
  const describe = (ids: ReadonlyMap<string, number>) =>
    Array.from(ids, ([part, id]) => {
      const name = PARTS.find(([known]) => known === part)?.[1] ?? part
      return entry(`tokenizer.ggml.${name}_token_id`, 'uint32', id)
    })
  if (tokens.length === WITHOUT_BOS) adds.set('bos', false)
  const added = Array.from(adds, ([part, value]) => entry(`tokenizer.ggml.add_${part}_token`, 'bool', value))
  return { entries: [...describe(parts), ...added], last: describe(last) }
}

type Roles = Map<SpecialRole, number>

function isId(id: unknown, tokens: readonly string[]): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokens.length
}

/** Parts that the files name: by the texts of their tokens, or by ids. */
function findParts(files: TokenizerFiles, tokens: readonly string[], texts: ReadonlyMap<string, string>): Roles {
  const ids = new Map(asObjects(files.tokenizer?.added_tokens).map((token) => [token.content, token.id]))
  const parts: Roles = new Map()
  const wanted: SpecialRole[] = [...PARTS.map(([part]) => part), ...(texts.has('eot') ? (['eot'] as const) : [])]
  const give = (idOf: (part: SpecialRole) => unknown) => {
    for (const part of wanted) {
      const id = idOf(part)
      if (isId(id, tokens) && !parts.has(part)) parts.set(part, id)
    }
  }
  give((part) => ids.get(texts.get(part)!))
  for (const config of configs(files)) give((part) => config[`${part}_token_id`])
  return parts
}

/** config.json, and its part that describes the text model of several. */
function configs({ config }: TokenizerFiles): Json[] {
  return [config, asObject(config.text_config) ?? {}]
}

/** Sets what the family says beside the files. @returns what of it has no place among the parts */
function familyParts(
  parts: Roles,
  { config, generation = {} }: TokenizerFiles,
  tokens: readonly string[],
): Map<string, number> {
  const traits = familyOf(architectureOf(config))?.vocabulary ?? {}
  for (const rule of (traits.parts ?? '').split(' ')) {
    const [, part, sign, text = ''] = /^(\w+)([=:])(.*)$/.exec(rule) ?? []
    const id = tokens.indexOf(text)
    if (part !== undefined && id >= 0 && (sign === ':' || !parts.has(part as SpecialRole)))
      parts.set(part as SpecialRole, id)
  }
  const last = new Map<string, number>()
  for (const [part, id] of Object.entries(traits.ids?.(config, generation) ?? {})) {
    if (!isId(id, tokens)) continue
    if (parts.has(part as SpecialRole)) parts.set(part as SpecialRole, id)
    else last.set(part, id)
  }
  return last
}

/**
 * Gives those of a list of ends a part that no reader knows by their text. llama.cpp's converter passes such lists over.
 *
 * @returns the texts of those for which there is no part left
 */
function listedEnds(
  parts: Roles,
  last: ReadonlyMap<string, number>,
  files: TokenizerFiles,
  tokens: readonly string[],
): string[] {
  const lists = [...configs(files), files.generation ?? {}].map((config) => config.eos_token_id).filter(Array.isArray)
  const has = (part: SpecialRole) => parts.has(part) || last.has(part)
  const left: string[] = []
  for (const id of new Set(lists.flat().filter((id) => isId(id, tokens)))) {
    const known = [...parts.values(), ...last.values()].includes(id) || END_OF_GENERATION.includes(tokens[id]!)
    if (known && has('eos')) continue
    const part = (['eos', 'eot', 'eom'] as const).find((name) => !has(name))
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
