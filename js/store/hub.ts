/** The Hugging Face hub: where its files are, which of a repository is the model, and how its cache lies on a disk. */
import { ArgumentError, SourceError } from '../errors.ts'
import type { StoreFolder } from '../platform/types.ts'
import { Client } from '../source/http-client.ts'
import { HUB, type HubFile } from '../source/hub-url.ts'
import type { SourceOptions } from '../source/types.ts'

export interface Repository {
  /** `owner/repo`. */
  id: string
  revision: string
  /** The quantization that is asked for: `Q4_K_M`. */
  tag: string | undefined
}

/** The hub's address: HF_ENDPOINT names another one, such as a mirror. @param variable reads the environment */
export function hubEndpoint(variable: (name: string) => string | undefined): string {
  return (variable('MODEL_ENDPOINT') || variable('HF_ENDPOINT') || HUB).replace(/\/+$/, '')
}

/** Reads `owner/repo[@revision][:tag]`. */
export function readRepository(given: string): Repository | undefined {
  const [, id, revision = 'main', tag] = /^([^/:@]+\/[^/:@]+)(?:@([^:]+))?(?::(.*))?$/.exec(given) ?? []
  return id === undefined ? undefined : { id, revision: revision.replaceAll('%2F', '/'), tag: tag || undefined }
}

/** Files beside models. */
const OTHERS = ['mmproj', 'imatrix', 'mtp-', 'eagle3-', 'dflash-', 'dspark-']

/**
 * The file whose name has the tag; without one the first with Q4_K_M, else with Q8_0, else the first GGUF file. Of shards,
 * the first. Source: llama.cpp's common/download.cpp.
 */
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

/** @throws ArgumentError HUB_FILE that says what there is */
export function noSuchFile(
  id: string,
  files: readonly string[],
  asked: string | undefined,
  tag?: string,
): ArgumentError {
  const models = files.filter((name) => name.endsWith('.gguf'))
  const there = models.length > 0 ? `there is ${models.slice(0, 20).join(', ')}` : 'there is no GGUF file'
  const wanted = asked ?? (tag === undefined ? 'model' : `model with ${tag} in its name`)
  return new ArgumentError('HUB_FILE', `${id} has no ${wanted}; ${there}.`, asked ?? tag ?? id)
}

export interface ListOptions {
  token?: string | undefined
  signal?: AbortSignal | undefined
  fetch?: typeof globalThis.fetch | undefined
  /** Advice where it cannot be reached, and for private repositories. */
  offline: string
  private: string
}

/**
 * The paths of all files, as the hub lists them, page by page.
 * @throws SourceError HUB_LIST, HUB_UNREACHABLE
 */
export async function listFiles(
  { id, revision }: Pick<Repository, 'id' | 'revision'>,
  endpoint: string,
  options: ListOptions,
): Promise<string[]> {
  const files: string[] = []
  const path = `${endpoint}/api/models/${id}/tree/${encodeURIComponent(revision)}?recursive=true`
  for (let url: string | undefined = path; url !== undefined; ) {
    const response: Response = await ask(url, options)
    const items = (await response.json().catch(() => undefined)) as { type?: string; path?: string }[] | undefined
    if (!Array.isArray(items)) throw new SourceError('HUB_LIST', `${url} gives no list of files.`, url)
    files.push(...items.flatMap((item) => (item.type === 'file' && typeof item.path === 'string' ? [item.path] : [])))
    url = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
  }
  return files
}

async function ask(url: string, { token, signal, fetch, ...advices }: ListOptions): Promise<Response> {
  const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
  const own = fetch ?? globalThis.fetch
  const response = await own(url, { headers, ...(signal && { signal }) }).catch((cause) => {
    if (signal?.aborted) throw cause
    const reason = (cause as { cause?: { message?: string } }).cause?.message ?? String(cause)
    throw new SourceError('HUB_UNREACHABLE', `${url} cannot be reached (${reason})${advices.offline}.`, url, { cause })
  })
  if (response.ok) return response
  const { status } = response
  const advice =
    status === 401 || status === 403 || status === 404
      ? `check the name; a private or gated repository needs ${advices.private}`
      : 'try again later'
  throw new SourceError('HUB_LIST', `${url} gives HTTP status ${status}: ${advice}.`, status)
}

/** How users write it. */
export function hubName({ id, revision, path }: HubFile): string {
  return `hf:${id}${revision === 'main' ? '' : `@${revision.replaceAll('/', '%2F')}`}/${path}`
}

/** The file that `hf:owner/repo[@revision]/path` or an address of the hub's means; undefined for anything else. */
export function readHubFile(location: string, endpoint: string): HubFile | undefined {
  const [, id, revision, path] =
    /^hf:([^/@]+\/[^/@]+)(?:@([^/]+))?\/(.+)$/i.exec(location) ?? readAddress(location, endpoint) ?? []
  if (!id || !path) return undefined
  const file = { id, revision: (revision ?? 'main').replaceAll(/%2F/gi, '/'), path }
  return isSafe(file) ? file : undefined
}

function readAddress(location: string, endpoint: string): string[] | undefined {
  const host = [endpoint, HUB].find((one) => location.startsWith(`${one}/`))
  // Of a query nobody knows what it changes.
  if (host === undefined || /[?#]/.test(location)) return undefined
  const [, ...found] = /^([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(location.slice(host.length + 1)) ?? []
  if (found.length === 0) return undefined
  try {
    return ['', ...found.map(decodeURIComponent)]
  } catch {
    return undefined
  }
}

/** Names become paths of a disk. */
export function isSafe({ id, revision, path = 'a' }: Pick<HubFile, 'id' | 'revision'> & { path?: string }): boolean {
  const parts = [...id.split('/'), ...revision.split('/'), ...path.split('/')]
  // Names of Windows' streams and drives have colons.
  return parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\0]/.test(part))
}

/** What the hub says of a file before it sends it. */
export interface HubPromise {
  commit: string
  /** The name of the file's bytes: of large files their SHA-256. */
  etag: string
  size: number | undefined
  sha256: string | undefined
}

/** @throws what requests throw; undefined where the server does not speak as the hub does */
export async function askHub(
  url: string,
  options: SourceOptions & { signal?: AbortSignal },
): Promise<HubPromise | undefined> {
  const headers = await new Client(url, options).head(options.signal)
  const commit = headers?.get('x-repo-commit') ?? ''
  const linked = headers?.get('x-linked-etag')
  const etag = (linked ?? headers?.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '')
  if (!headers || !/^[0-9a-f]{40}$/.test(commit) || !/^[\w-]+$/.test(etag)) return undefined
  const size = headers.get('x-linked-size') ?? (headers.has('location') ? null : headers.get('content-length'))
  return {
    commit,
    etag,
    size: size === null ? undefined : Number(size),
    sha256: /^[0-9a-f]{64}$/.test(etag) ? etag : undefined,
  }
}

/**
 * The cache of the hub, as huggingface_hub and llama.cpp have it:
 *
 *     models--OWNER--REPO/blobs/ETAG                  bytes
 *     models--OWNER--REPO/refs/REVISION               a commit
 *     models--OWNER--REPO/snapshots/COMMIT/PATH       a link to the bytes
 *     .locks/models--OWNER--REPO/ETAG.lock            who downloads
 */
export function repositoryFolder(id: string): string {
  return `models--${id.replaceAll('/', '--')}`
}

export function blobPath(id: string, etag: string): string {
  return `${repositoryFolder(id)}/blobs/${etag}`
}

export function snapshotPath(id: string, commit: string, path: string): string {
  return `${repositoryFolder(id)}/snapshots/${commit}/${path}`
}

/** Other tools lock files of that name in ways that Node cannot: so ours have another. */
export function hubLock(id: string, etag: string): string {
  return `.locks/${repositoryFolder(id)}/${etag}.cria.lock`
}

/** The commit that a revision meant when a file of it was downloaded last. */
export async function cachedCommit(hub: StoreFolder, id: string, revision: string): Promise<string | undefined> {
  if (/^[0-9a-f]{40}$/.test(revision)) return revision
  return (await hub.read(`${repositoryFolder(id)}/refs/${revision}`))?.trim()
}

/** All files under a folder. */
export async function walk(folder: StoreFolder, path: string): Promise<string[]> {
  const found: string[] = []
  for (const name of await folder.list(path)) {
    const below = `${path}/${name}`
    if (await folder.isFolder(below)) found.push(...(await walk(folder, below)))
    else found.push(below)
  }
  return found
}

/** The paths of a snapshot's files. */
export async function cachedFiles(hub: StoreFolder, id: string, commit: string): Promise<string[]> {
  const root = `${repositoryFolder(id)}/snapshots/${commit}`
  return (await walk(hub, root)).map((path) => path.slice(root.length + 1))
}
