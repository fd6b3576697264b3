/**
 * Which tokens of a Hugging Face folder have a part of their own, and its chat templates, as GGUF metadata. Source: llama.cpp's
 * gguf-py, SpecialVocab (what counts, where files contradict each other, and the order).
 */
import type { MetadataEntry, ScalarType, ScalarValue } from '../gguf/writer.ts'
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

export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer?: Json
  /** tokenizer_config.json */
  settings: Json
  /** config.json */
  config: Json
}

const entry = (key: string, type: ScalarType, value: ScalarValue): MetadataEntry => ({ key, type, value })

/** @param count tokens in the vocabulary: ids beyond name nothing */
export function describeSpecialTokens(files: TokenizerFiles, count: number): MetadataEntry[] {
  const { texts, adds } = readTexts(files)
  const ids = new Map(asObjects(files.tokenizer?.added_tokens).map((token) => [token.content, token.id]))
  const out: MetadataEntry[] = []
  const parts = texts.has('eot') ? [...PARTS, ['eot', 'eot'] as const] : PARTS
  for (const [part, name] of parts) {
    const id = [ids.get(texts.get(part)), files.config[`${part}_token_id`]].find(
      (candidate) => Number.isInteger(candidate) && (candidate as number) >= 0 && (candidate as number) < count,
    )
    if (id !== undefined) out.push(entry(`tokenizer.ggml.${name}_token_id`, 'uint32', id as number))
  }
  if (count === WITHOUT_BOS) adds.set('bos', false)
  for (const [part, value] of adds) out.push(entry(`tokenizer.ggml.add_${part}_token`, 'bool', value))
  return out
}

/** The special tokens' texts, and whether BOS and EOS are put around a text. */
function readTexts({ tokenizer, settings }: TokenizerFiles): {
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
