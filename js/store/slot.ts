/** Where a file of a model is kept, or will be: by its URL, or in the cache of the hub. */
import { sha256 } from '@noble/hashes/sha2.js'
import { ArgumentError, SourceError } from '../errors.ts'
import type { StoreFolder, StorePlace } from '../platform/types.ts'
import { hashed, hex } from '../source/hashed.ts'
import { Client } from '../source/http-client.ts'
import { HUB, type HubFile, hubUrl } from '../source/hub-url.ts'
import type { SourceOptions } from '../source/types.ts'
import {
  type Downloaded,
  type DownloadOptions,
  download,
  forget,
  openStored,
  parseRecord,
  recordOf,
  type Wanted,
} from './download.ts'
import {
  askHub,
  blobPath,
  cachedCommit,
  type HubPromise,
  hubEndpoint,
  hubLock,
  hubName,
  readHubFile,
  repositoryFolder,
  snapshotPath,
  walk,
} from './hub.ts'

/** A file that is whole. */
export interface KeptFile {
  /** What `load` takes. */
  input: string
  folder: StoreFolder
  path: string
  size: number
  /** What its bytes should be, where that is known. */
  sha256: string | undefined
}

export interface FetchOptions extends DownloadOptions {
  /** The SHA-256 of this file. */
  sha256?: string
  /** Asks the server whether there is another version by now. */
  refresh?: boolean
}

/** One file's place in a store. */
export interface StoreSlot {
  readonly input: string
  /** The file, if it is whole. Takes no request. */
  find(): Promise<KeptFile | undefined>
  /** Downloads the file, if it is not there. Of several who ask, one does; the others wait. */
  fetch(options: FetchOptions): Promise<KeptFile>
  /** Removes the file and what has landed of it. @throws SourceError STORE_BUSY while it is being downloaded */
  drop(): Promise<void>
}

/** The place of a `hf:` or http(s) location. @throws ArgumentError INPUT_HF */
export function slotOf(location: string, place: StorePlace): StoreSlot {
  const endpoint = hubEndpoint(place.variable)
  const file = readHubFile(location, endpoint)
  if (!file && /^hf:/i.test(location)) {
    const message = `${location} should have the form hf:owner/repo[:QUANT] or hf:owner/repo[@revision]/path/file.gguf.`
    throw new ArgumentError('INPUT_HF', message, location)
  }
  if (file && place.hub) return new HubSlot(file, place, place.hub)
  return new UrlSlot(file ? hubUrl(file, endpoint) : location, place, file && hubName(file))
}

/** Options with the hub's token, which goes nowhere else. */
function withToken<T extends SourceOptions>(options: T, url: string, place: StorePlace): T {
  const token = place.variable('HF_TOKEN')
  const isHub = [hubEndpoint(place.variable), HUB].some((one) => url.startsWith(`${one}/`))
  return isHub && token !== undefined && options.token === undefined ? { ...options, token } : options
}

/** Downloads under a lock; whoever waits hears how far another is. */
function fetchAlone(
  folder: StoreFolder,
  lock: string,
  path: string,
  options: FetchOptions,
  work: () => Promise<KeptFile>,
): Promise<KeptFile> {
  const wait = (): void => {
    void landedOf(folder, path)
      .then(([done, total]) => options.onProgress?.(done, total))
      // It has its name by now, or is gone: the lock says so next.
      .catch(() => {})
  }
  return folder.lock(lock, work, wait, options.signal)
}

/** Bytes that have landed, and that there will be. */
async function landedOf(folder: StoreFolder, path: string): Promise<[number, number | undefined]> {
  const [landed = 0, record] = await Promise.all([folder.size(`${path}.incomplete`), recordOf(folder, path)])
  return [landed, record?.size]
}

/**
 * A file by its URL:
 *
 *     KEY/NAME.gguf     bytes
 *     KEY/model.json    URL, version, size, SHA-256
 *     .locks/KEY.lock   who downloads
 */
export class UrlSlot implements StoreSlot {
  readonly input: string
  readonly #url: string
  readonly #folder: StoreFolder
  readonly #place: StorePlace
  readonly #key: string
  readonly #path: string

  constructor(url: string, place: StorePlace, input = url) {
    this.input = input
    this.#url = url
    this.#place = place
    this.#folder = place.own
    this.#key = keyOf(url)
    this.#path = `${this.#key}/${fileName(url)}`
  }

  async find(): Promise<KeptFile | undefined> {
    const record = await readUrlRecord(this.#folder, this.#key)
    if (record?.url !== this.#url || (await this.#folder.size(this.#path)) !== record.size) return undefined
    const { size, sha256 } = record
    return { input: this.input, folder: this.#folder, path: this.#path, size, sha256 }
  }

  async fetch(given: FetchOptions): Promise<KeptFile> {
    const options = withToken(given, this.#url, this.#place)
    const { sha256 } = options
    return fetchAlone(this.#folder, urlLock(this.#key), this.#path, options, async () => {
      const found = await this.find()
      if (found && !(options.refresh && (await this.#hasChanged(options)))) return found
      const wanted: Wanted = { url: this.#url, ...(sha256 !== undefined && { sha256 }) }
      const downloaded = await download(
        this.#folder,
        this.#path,
        wanted,
        { ...options, reserve: this.#place.reserve },
        (now) => this.#keep(now),
      )
      return { input: this.input, folder: this.#folder, path: this.#path, ...downloaded }
    })
  }

  /** The file before goes first: at no moment does a record speak of another's bytes. */
  async #keep(downloaded: Downloaded): Promise<void> {
    await this.#folder.remove(this.#path)
    const record: UrlRecord = { ...downloaded, input: this.input }
    await this.#folder.write(`${this.#key}/${RECORD}`, JSON.stringify(record))
  }

  async #hasChanged(options: FetchOptions): Promise<boolean> {
    const [record, headers] = await Promise.all([
      readUrlRecord(this.#folder, this.#key),
      new Client(this.#url, options).head(options.signal),
    ])
    const now = { etag: headers?.get('etag'), modified: headers?.get('last-modified') }
    const same = (key: 'etag' | 'modified'): boolean => !now[key] || !record?.[key] || now[key] === record[key]
    return now.etag && record?.etag ? !same('etag') : !same('modified')
  }

  drop(): Promise<void> {
    return alone(this.#folder, urlLock(this.#key), this.input, () => this.#folder.remove(this.#key))
  }
}

const RECORD = 'model.json'

export interface UrlRecord extends Downloaded {
  input: string
}

export async function readUrlRecord(folder: StoreFolder, key: string): Promise<UrlRecord | undefined> {
  return parseRecord(await folder.read(`${key}/${RECORD}`))
}

export function urlLock(key: string): string {
  return `.locks/${key}.lock`
}

function keyOf(url: string): string {
  return hex(sha256(new TextEncoder().encode(url))).slice(0, 32)
}

/** Of the last part of a URL's path, what is a name on every disk. */
function fileName(url: string): string {
  const name = /([\w-][\w.-]{0,99})$/.exec(new URL(url).pathname)?.[1]
  return name === undefined || name === RECORD ? 'model.gguf' : name
}

/** A file in the cache of the hub. */
class HubSlot implements StoreSlot {
  readonly input: string
  readonly #file: HubFile
  readonly #place: StorePlace
  readonly #hub: StoreFolder
  readonly #url: string

  constructor(file: HubFile, place: StorePlace, hub: StoreFolder) {
    this.input = hubName(file)
    this.#file = file
    this.#place = place
    this.#hub = hub
    this.#url = hubUrl(file, hubEndpoint(place.variable))
  }

  async find(): Promise<KeptFile | undefined> {
    const { id, revision, path } = this.#file
    const commit = await cachedCommit(this.#hub, id, revision)
    const found = commit && (await this.#at(snapshotPath(id, commit, path)))
    // Where the server did not speak as the hub does.
    return found || new UrlSlot(this.#url, this.#place, this.input).find()
  }

  async #at(path: string): Promise<KeptFile | undefined> {
    const size = await this.#hub.size(path)
    if (size === undefined) return undefined
    return { input: this.input, folder: this.#hub, path, size, sha256: sha256Of(await this.#hub.resolve(path)) }
  }

  async fetch(given: FetchOptions): Promise<KeptFile> {
    const options = withToken(given, this.#url, this.#place)
    const found = options.refresh ? undefined : await this.find()
    if (found) return found
    const promise = await askHub(this.#url, options)
    if (!promise) return new UrlSlot(this.#url, this.#place, this.input).fetch(options)
    const { id } = this.#file
    const blob = blobPath(id, promise.etag)
    return fetchAlone(this.#hub, hubLock(id, promise.etag), blob, options, () => this.#keep(promise, blob, options))
  }

  async #keep(promise: HubPromise, blob: string, options: FetchOptions): Promise<KeptFile> {
    const { id, revision, path } = this.#file
    const { commit, size } = promise
    const snapshot = snapshotPath(id, commit, path)
    const sha256 = options.sha256 ?? promise.sha256
    checkPromised(this.#url, options.sha256, promise.sha256)
    const there = (await this.#hub.size(blob)) ?? (await this.#hub.size(snapshot))
    if (there === undefined || (size !== undefined && there !== size)) {
      await this.#hub.remove(blob)
      const wanted = { url: this.#url, ...(sha256 !== undefined && { sha256 }), ...(size !== undefined && { size }) }
      await download(this.#hub, blob, wanted, { ...options, reserve: this.#place.reserve })
    }
    if ((await this.#hub.size(blob)) !== undefined) await this.#hub.link(snapshot, blob)
    // Last: others take a commit without files for damage.
    if (revision !== commit) await this.#hub.write(`${repositoryFolder(id)}/refs/${revision}`, commit)
    return (await this.#at(snapshot))!
  }

  async drop(): Promise<void> {
    const { id, revision, path } = this.#file
    const commit = await cachedCommit(this.#hub, id, revision)
    if (commit) {
      const blob = await this.#hub.resolve(snapshotPath(id, commit, path))
      await alone(this.#hub, hubLock(id, nameOf(blob)), this.input, () => dropSnapshot(this.#hub, id, commit, path))
    }
    await new UrlSlot(this.#url, this.#place, this.input).drop()
    for (const blob of await partialBlobs(this.#hub, id)) {
      if ((await recordOf(this.#hub, blob))?.url !== this.#url) continue
      await alone(this.#hub, hubLock(id, nameOf(blob)), this.input, () => forget(this.#hub, blob))
    }
  }
}

/** Works under a lock that nobody else has. @throws SourceError STORE_BUSY */
export function alone<T>(folder: StoreFolder, lock: string, input: string, work: () => Promise<T>): Promise<T> {
  return folder.lock(lock, work, () => {
    throw new SourceError('STORE_BUSY', `${input} is being downloaded; stop that first.`, input)
  })
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function checkPromised(url: string, asked: string | undefined, promised: string | undefined): void {
  if (asked === undefined || promised === undefined || asked.toLowerCase() === promised) return
  const message = `The hub has ${url} with the SHA-256 ${promised}, not ${asked}: correct sha256, or name a revision.`
  throw new SourceError('SHA256_MISMATCH', message, promised)
}

/** Of a blob that is named by its SHA-256. */
function sha256Of(path: string): string | undefined {
  return /(?:^|\/)([0-9a-f]{64})$/.exec(path)?.[1]
}

/** Blobs of which a part has landed by our hand. */
export async function partialBlobs(hub: StoreFolder, id: string): Promise<string[]> {
  const folder = `${repositoryFolder(id)}/blobs`
  const names = await hub.list(folder)
  return names
    .filter((name) => name.endsWith('.incomplete.json'))
    .map((name) => `${folder}/${name.slice(0, -'.incomplete.json'.length)}`)
}

/** Removes a file of a snapshot with its bytes, unless another snapshot has them too, and what is empty then. */
async function dropSnapshot(hub: StoreFolder, id: string, commit: string, path: string): Promise<void> {
  const root = repositoryFolder(id)
  const snapshot = snapshotPath(id, commit, path)
  const blob = await hub.resolve(snapshot)
  await hub.remove(snapshot)
  if (blob !== snapshot && !(await isLinked(hub, id, blob))) await hub.remove(blob)
  if ((await walk(hub, `${root}/snapshots/${commit}`)).length > 0) return
  await hub.remove(`${root}/snapshots/${commit}`)
  for (const ref of await walk(hub, `${root}/refs`)) {
    if ((await hub.read(ref))?.trim() === commit) await hub.remove(ref)
  }
  if ((await hub.list(`${root}/snapshots`)).length === 0) await hub.remove(root)
}

async function isLinked(hub: StoreFolder, id: string, blob: string): Promise<boolean> {
  for (const path of await walk(hub, `${repositoryFolder(id)}/snapshots`)) {
    if ((await hub.resolve(path)) === blob) return true
  }
  return false
}

/** Reads a file whole. @throws SourceError SHA256_MISMATCH */
export async function checkFile(file: KeptFile, signal?: AbortSignal): Promise<void> {
  if (file.sha256 === undefined) return
  const source = await openStored(file.folder, file.path, file.input)
  try {
    await hashed(source, file.sha256).finish(signal)
  } finally {
    await source.close()
  }
}
