/** What the cases are run on: of the shared folder all that cria supports, at the places where a runtime finds it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { inspect } from 'cria'
import type { Configuration, ConformanceOptions, TemplateCase } from '../../js/conformance/types.ts'
import { STORIES } from '../api-helpers.ts'
import { sharedGgufFiles } from '../gguf-helpers.ts'
import { kinFiles } from '../kin-files.ts'
import { hasShared, shared } from '../shared.ts'

/** Can be posted: models are named by their places. */
export type Material = Omit<ConformanceOptions, 'onCase' | 'signal'>

const SEPARATOR = '\n__ggml_vocab_test__\n'

/** What a server needs to be told to serve the files of the shared folder, below /shared/. */
export function servedFiles(): string[] {
  return sharedGgufFiles().flatMap((path) => ['--file', `/${served(path)}=${path}`])
}

function served(path: string): string {
  return `shared/${relative(shared(), path).replaceAll('\\', '/')}`
}

/** The place of a file of the repository or of the shared folder: a path, or the URL on a server. */
export function placeOf(path: string, server: string | undefined): string {
  if (server === undefined) return path
  return server + (path.startsWith('/') ? served(path) : path)
}

/** stories260K alone. */
export function brief(server: string | undefined, configurations?: readonly Configuration[]): Material {
  return { stories: placeOf(STORIES, server), ...(configurations && { configurations }) }
}

/** Each kind of worker and of a prompt's pieces once, each build twice: all configurations take an emulated engine minutes. */
export const FEW_CONFIGURATIONS: readonly Configuration[] = [
  { isa: 'simd', threads: 1, batch: 200 },
  { isa: 'relaxed', threads: 2, batch: 7 },
  { isa: 'simd', threads: 4, batch: 64 },
  { isa: 'relaxed', inProcess: true },
]

/** Two small models of LLaMA's variants, all of its kin, one of each type, every vocabulary and chat template. */
export async function full(server: string | undefined): Promise<Material> {
  if (!hasShared) return brief(server)
  const tiny = sharedGgufFiles('goldens/tiny')
  const types = await supported(sharedGgufFiles('goldens/types'))
  const models: Material['models'] = {}
  for (const path of [tiny.at(0)!, tiny.at(-1)!, ...types]) {
    models[nameOf(path, 'goldens')] = { input: placeOf(path, server) }
  }
  for (const { name, gguf } of kinFiles()) models[`kin/${name}`] = { input: placeOf(gguf, server) }
  const last = types.at(-1)!
  models[`${nameOf(last, 'goldens')} q8_0`] = { input: placeOf(last, server), kv: 'q8_0' }
  return { ...brief(server), models, vocabularies: await vocabularies(server), templates: templates() }
}

/** Those that cria runs. */
async function supported(paths: readonly string[]): Promise<string[]> {
  const inspected = await Promise.all(paths.map((path) => inspect(path)))
  return paths.filter((_, i) => inspected[i]!.problem === undefined)
}

/** `types/Q8_0`: the path below a folder of the shared one. */
function nameOf(path: string, folder: string): string {
  return relative(shared(folder), path)
    .replaceAll('\\', '/')
    .replace(/\.gguf$/, '')
}

/** With the texts of the vectors: a vocabulary's file bears its name, a model knows it as its pre-tokenizer. */
async function vocabularies(server: string | undefined): Promise<NonNullable<Material['vocabularies']>> {
  const all: NonNullable<Material['vocabularies']> = {}
  for (const path of [...sharedGgufFiles('vectors/tokenizers'), ...sharedGgufFiles('models')]) {
    const { metadata, tensors } = await inspect(path)
    const name = tensors.length > 0 ? metadata.get('tokenizer.ggml.pre') : nameOf(path, 'vectors/tokenizers')
    const texts = textsFor(String(name))
    if (texts.length > 0) all[String(name)] = { input: placeOf(path, server), texts }
  }
  return all
}

function textsFor(name: string): string[] {
  const [plain, hard] = ['inp', 'hard.jsonl'].map((kind) => shared('vectors', 'tokenizers', `${name}.${kind}`))
  const texts = existsSync(plain!) ? readFileSync(plain!, 'utf8').split(SEPARATOR).slice(0, -1) : []
  const lines = existsSync(hard!) ? readFileSync(hard!, 'utf8').split('\n').filter(Boolean) : []
  return [...texts, ...lines.map((line) => (JSON.parse(line) as { text: string }).text)]
}

interface ChatGolden {
  template: string
  extra: Record<string, unknown>
  cases: { messages: TemplateCase['conversations'][number]['messages']; tools: unknown[] | null }[]
}

function templates(): Record<string, TemplateCase> {
  const folder = shared('goldens', 'chat')
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return Object.fromEntries(
    files.sort().map((file) => {
      const { template, extra, cases } = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as ChatGolden
      const conversations = cases.map(({ messages, tools }) => ({ messages, ...(tools && { tools }) }))
      return [file.replace(/\.json$/, ''), { template, variables: extra, conversations }]
    }),
  )
}
