/** The Hugging Face hub: which file of a repository is the model, as llama.cpp chooses it. */
import { readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ArgumentError, SourceError } from '../errors.ts'

const HUB = 'https://huggingface.co'

/** The hub's address: HF_ENDPOINT names another one, such as a mirror. */
export function endpoint(): string {
  return (process.env.MODEL_ENDPOINT || process.env.HF_ENDPOINT || HUB).replace(/\/+$/, '')
}

/** Whether requests to this location go to the hub, and may carry its token. */
export function isHub(location: string | URL): boolean {
  const text = String(location)
  return /^hf:/i.test(text) || [endpoint(), HUB].some((address) => text.toLowerCase().startsWith(`${address}/`))
}

/** The location in the form that sources are opened by: `hf:` means huggingface.co there. */
export function onHub(location: string): string {
  if (!/^hf:/i.test(location) || endpoint() === HUB) return location
  const [owner, repo = '', ...path] = location.slice('hf:'.length).split('/')
  const [name, revision = 'main'] = repo.split('@')
  return [
    endpoint(),
    ...[owner!, name!, 'resolve', revision.replaceAll('%2F', '/'), ...path].map(encodeURIComponent),
  ].join('/')
}

export interface Repository {
  /** `owner/repo`. */
  id: string
  revision: string
  /** The quantization that is asked for: `Q4_K_M`. */
  tag: string | undefined
}

/** Reads `owner/repo[@revision][:tag]`. */
export function readRepository(given: string): Repository | undefined {
  const [, id, revision = 'main', tag] = /^([^/:@]+\/[^/:@]+)(?:@([^:]+))?(?::(.*))?$/.exec(given) ?? []
  return id === undefined ? undefined : { id, revision, tag: tag || undefined }
}

export interface HubOptions {
  /** The file's path there, in place of the choice. */
  file: string | undefined
  token: string | undefined
  /** Read what tools of the hub have downloaded before. */
  offline: boolean
  signal: AbortSignal
}

/**
 * The location of the repository's model: the file whose name has the tag; without one the first with Q4_K_M, else with Q8_0, else
 * the first GGUF file. Of shards, the first.
 * @throws SourceError where the files cannot be listed; ArgumentError where none is a model of that tag
 */
export async function findModel(repository: Repository, options: HubOptions): Promise<string> {
  const { id, revision, tag } = repository
  const { file, token, offline, signal } = options
  if (file !== undefined && !offline) return locationOf(repository, file)
  const cached = offline ? await snapshotOf(id, revision) : undefined
  const files = cached === undefined ? await listFiles(repository, token, signal) : await filesIn(cached)
  const found = file === undefined ? bestFile(files, tag) : files.find((name) => name === file)
  if (found !== undefined) return cached === undefined ? locationOf(repository, found) : join(cached, found)
  const models = files.filter((name) => name.endsWith('.gguf'))
  const there = models.length > 0 ? `there is ${models.slice(0, 20).join(', ')}` : 'there is no GGUF file'
  const wanted = file ?? (tag === undefined ? 'model' : `model with ${tag} in its name`)
  throw new ArgumentError('HUB_FILE', `${id} has no ${wanted}; ${there}.`, file ?? tag ?? id)
}

function locationOf({ id, revision }: Repository, file: string): string {
  return onHub(`hf:${id}${revision === 'main' ? '' : `@${revision}`}/${file}`)
}

/** Files beside models. */
const OTHERS = ['mmproj', 'imatrix', 'mtp-', 'eagle3-', 'dflash-', 'dspark-']

/** Source: llama.cpp's common/download.cpp. */
export function bestFile(files: readonly string[], tag: string | undefined): string | undefined {
  const models = files.filter((file) => {
    const name = file.slice(file.lastIndexOf('/') + 1)
    const [, shard = '00001'] = /-(\d{5})-of-\d{5}\.gguf$/i.exec(name) ?? []
    return name.endsWith('.gguf') && !OTHERS.some((other) => name.includes(other)) && Number(shard) === 1
  })
  for (const one of tag === undefined ? ['Q4_K_M', 'Q8_0'] : [tag]) {
    const found = models.find((file) => ['.', '-'].some((end) => file.toLowerCase().includes(one.toLowerCase() + end)))
    if (found !== undefined) return found
  }
  return tag === undefined ? models[0] : undefined
}

/** The paths of all files, as the hub lists them, page by page. */
async function listFiles(
  { id, revision }: Repository,
  token: string | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const files: string[] = []
  const path = `${endpoint()}/api/models/${id}/tree/${encodeURIComponent(revision)}?recursive=true`
  for (let url: string | undefined = path; url !== undefined; ) {
    const response: Response = await ask(url, token, signal)
    const items = (await response.json().catch(() => undefined)) as { type?: string; path?: string }[] | undefined
    if (!Array.isArray(items)) throw new SourceError('HUB_LIST', `${url} gives no list of files.`, url)
    files.push(...items.flatMap((item) => (item.type === 'file' && typeof item.path === 'string' ? [item.path] : [])))
    url = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
  }
  return files
}

async function ask(url: string, token: string | undefined, signal: AbortSignal): Promise<Response> {
  const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
  const response = await fetch(url, { headers, signal }).catch((cause) => {
    if (signal.aborted) throw cause
    const reason = (cause as { cause?: { message?: string } }).cause?.message ?? String(cause)
    const message = `${url} cannot be reached (${reason}); with --offline the files that were downloaded before are read.`
    throw new SourceError('HUB_UNREACHABLE', message, url, { cause })
  })
  if (response.ok) return response
  const { status } = response
  const advice =
    status === 401 || status === 403 || status === 404
      ? 'check the name; a private or gated repository needs --hf-token'
      : 'try again later'
  throw new SourceError('HUB_LIST', `${url} gives HTTP status ${status}: ${advice}.`, status)
}

/** The folder of the repository's files that tools of the hub have downloaded. */
async function snapshotOf(id: string, revision: string): Promise<string> {
  const { LLAMA_CACHE, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env
  const cache =
    LLAMA_CACHE ||
    HF_HUB_CACHE ||
    HUGGINGFACE_HUB_CACHE ||
    (HF_HOME && join(HF_HOME, 'hub')) ||
    join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface', 'hub')
  const folder = join(cache, `models--${id.replaceAll('/', '--')}`)
  const commit = await readFile(join(folder, 'refs', ...revision.split('/')), 'utf8').catch((cause) => {
    const message = `${folder} has no files of ${id} (${revision}): without --offline cria reads them from the hub.`
    throw new SourceError('HUB_CACHE', message, folder, { cause })
  })
  return join(folder, 'snapshots', commit.trim())
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true }).catch((cause) => {
    throw new SourceError('HUB_CACHE', `${folder} cannot be read (${String(cause)}).`, folder, { cause })
  })
  return entries.map((entry) => entry.replaceAll('\\', '/')).sort()
}
