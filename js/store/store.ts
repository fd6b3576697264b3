/** Models that stay: by URL in a folder of our own, and from the Hugging Face hub in its cache. */
import { ArgumentError, SourceError } from '../errors.ts'
import type { StoreFolder, StorePlace } from '../platform/types.ts'
import { checkSha256 } from '../source/hashed.ts'
import { shardLocations } from '../source/shards.ts'
import type { SourceOptions } from '../source/types.ts'
import { isUrl } from '../util/kind.ts'
import { forget, openStored, recordOf } from './download.ts'
import {
  bestFile,
  cachedCommit,
  cachedFiles,
  hubEndpoint,
  hubLock,
  hubName,
  isSafe,
  listFiles,
  noSuchFile,
  type Repository,
  readRepository,
  repositoryFolder,
  snapshotPath,
  walk,
} from './hub.ts'
import {
  alone,
  checkFile,
  type FetchOptions,
  type KeptFile,
  nameOf,
  partialBlobs,
  readUrlRecord,
  type StoreSlot,
  slotOf,
  urlLock,
} from './slot.ts'
import type { DownloadProgress, GetOptions, StoredFile, StoredModel, Verified } from './types.ts'

/** Bytes of a piece of `export`. */
const PIECE = 1024 * 1024

export class ModelStore {
  readonly #place: StorePlace

  constructor(place: StorePlace) {
    this.#place = place
  }

  /** Whether the store keeps what is there; other inputs are at hand already. */
  static keeps(input: unknown): input is string | URL {
    return (typeof input === 'string' || isUrl(input)) && /^(https?|hf):/i.test(String(input))
  }

  /**
   * The files of a model, one a shard. `hf:owner/repo[@revision][:QUANT]` is the file that llama.cpp would take.
   * @throws ArgumentError INPUT_STORE for what is none, HUB_FILE; SourceError HUB_LIST, HUB_UNREACHABLE
   */
  async locate(input: string | URL, options: SourceOptions & { signal?: AbortSignal } = {}): Promise<string[]> {
    if (!ModelStore.keeps(input)) {
      const message = 'The store keeps models of http(s): and hf: URLs; other inputs are files of yours already.'
      throw new ArgumentError('INPUT_STORE', message, typeof input === 'string' ? input : typeof input)
    }
    const location = String(input)
    const repository = repositoryOf(location)
    return shardLocations(repository ? await this.#choose(repository, options) : location)
  }

  async #choose(repository: Repository, options: SourceOptions & { signal?: AbortSignal }): Promise<string> {
    const { id, revision, tag } = repository
    const choose = (files: readonly string[], by = tag): string | undefined =>
      by?.endsWith('.gguf') ? files.find((file) => file === by) : bestFile(files, by)
    const name = (path: string): string => hubName({ id, revision, path })
    const commit = this.#place.hub && (await cachedCommit(this.#place.hub, id, revision))
    const cached = commit ? await cachedFiles(this.#place.hub!, id, commit) : []
    // Without a tag, the first choice alone is sure to be the hub's as well.
    const known = choose(cached, tag ?? 'Q4_K_M')
    if (known !== undefined) return name(known)
    let files: string[]
    try {
      files = await listFiles(repository, hubEndpoint(this.#place.variable), {
        token: options.token ?? this.#place.variable('HF_TOKEN'),
        signal: options.signal,
        fetch: options.fetch,
        offline: '',
        private: 'the option token, or the variable HF_TOKEN',
      })
    } catch (error) {
      const found = error instanceof SourceError && error.code === 'HUB_UNREACHABLE' ? choose(cached) : undefined
      if (found === undefined) throw error
      return name(found)
    }
    const found = choose(files)
    if (found === undefined) throw noSuchFile(id, files, tag?.endsWith('.gguf') ? tag : undefined, tag)
    return name(found)
  }

  /** The files of a model that are whole, or undefined where one is not. Takes no request. */
  async find(locations: readonly string[]): Promise<KeptFile[] | undefined> {
    const files = await Promise.all(locations.map((location) => this.#slot(location).find()))
    return files.every((file) => file !== undefined) ? files : undefined
  }

  /** Downloads what is missing. `sha256`: of each file its own. */
  async fetch(locations: readonly string[], options: GetOptions = {}): Promise<KeptFile[]> {
    const { onProgress, sha256, ...rest } = options
    const sums = sumsOf(sha256, locations.length)
    const done: DownloadProgress[] = []
    const files: KeptFile[] = []
    for (const [i, location] of locations.entries()) {
      const report = (bytes: number, total = bytes): void => {
        done[i] = { done: bytes, total }
        const sum = (key: 'done' | 'total'): number => done.reduce((all, one) => all + one[key], 0)
        onProgress?.({ done: sum('done'), total: sum('total') })
      }
      const sum = sums[i]
      const how: FetchOptions = { ...rest, onProgress: report, ...(sum !== undefined && { sha256: sum }) }
      const file = await this.#slot(location).fetch(how)
      done[i] = { done: file.size, total: file.size }
      files.push(file)
    }
    return files
  }

  /** Removes files that are not what they should be. @returns whether there were any */
  async heal(files: readonly KeptFile[], signal?: AbortSignal): Promise<boolean> {
    let any = false
    for (const file of files) {
      // Nobody knows what it should be: the server says so again.
      const sound = file.sha256 !== undefined && (await isSound(file, signal))
      if (sound) continue
      await this.#slot(file.input).drop()
      any = true
    }
    return any
  }

  /** Downloads a model, if it is not there. */
  async get(input: string | URL, options: GetOptions = {}): Promise<StoredModel> {
    const locations = await this.locate(input, options)
    const found = options.refresh ? undefined : await this.find(locations)
    if (found) await checkSums(found, sumsOf(options.sha256, locations.length), options.signal)
    const files = found ?? (await this.fetch(locations, options))
    const inputs = await inputsOf(files)
    return { input: inputs.length === 1 ? inputs[0]! : inputs, files: await Promise.all(files.map(storedFile)) }
  }

  /** All files, whole or not. */
  async list(): Promise<StoredFile[]> {
    const found = [...(await this.#ownFiles()), ...(await this.#hubFiles())]
    return found.sort((a, b) => (a.input < b.input ? -1 : Number(a.input > b.input)))
  }

  async #ownFiles(): Promise<StoredFile[]> {
    const { own } = this.#place
    const found: StoredFile[] = []
    for (const key of await this.#keys()) {
      const record = await readUrlRecord(own, key)
      for (const name of await own.list(key)) {
        const path = `${key}/${name}`
        if (name.endsWith('.incomplete.json')) found.push(...(await this.#unfinished(own, path)))
        else if (record && /^(?!.*\.(incomplete|json|tmp)$)/.test(name) && (await own.size(path)) === record.size) {
          const { input, size, sha256 } = record
          found.push(await storedFile({ input, folder: own, path, size, sha256 }))
        }
      }
    }
    return found
  }

  async #keys(): Promise<string[]> {
    return (await this.#place.own.list('')).filter((name) => /^[0-9a-f]{32}$/.test(name))
  }

  async #hubFiles(): Promise<StoredFile[]> {
    const { hub } = this.#place
    const found: StoredFile[] = []
    for (const id of await this.#repositories()) {
      const root = repositoryFolder(id)
      for (const blob of await partialBlobs(hub!, id))
        found.push(...(await this.#unfinished(hub!, `${blob}.incomplete.json`)))
      const revisions = new Map<string, string>()
      for (const ref of await walk(hub!, `${root}/refs`)) {
        const name = ref.slice(`${root}/refs/`.length)
        const commit = (await hub!.read(ref))?.trim() ?? ''
        if (name === 'main' || !revisions.has(commit)) revisions.set(commit, name)
      }
      for (const commit of await hub!.list(`${root}/snapshots`)) {
        for (const path of await cachedFiles(hub!, id, commit)) {
          const size = path.endsWith('.gguf') ? await hub!.size(snapshotPath(id, commit, path)) : undefined
          if (size === undefined) continue
          const input = hubName({ id, revision: revisions.get(commit) ?? commit, path })
          const kept = await slotOf(input, this.#place).find()
          found.push(...(kept ? [await storedFile(kept)] : []))
        }
      }
    }
    return found
  }

  async #repositories(): Promise<string[]> {
    const names = (await this.#place.hub?.list('')) ?? []
    return names
      .filter((name) => name.startsWith('models--'))
      .map((name) => name.slice('models--'.length).replaceAll('--', '/'))
  }

  /**
   * Removes a model's files and what has landed of them. Whoever has it open reads on where the system lets them.
   * @returns how many bytes that were
   * @throws SourceError STORE_BUSY while it is being downloaded
   */
  async delete(input: string | URL): Promise<number> {
    const before = landed(await this.list())
    for (const location of await this.locate(input)) await this.#slot(location).drop()
    return before - landed(await this.list())
  }

  /** Removes downloads that are not whole, but for those under way. @returns how many bytes that were */
  async prune(): Promise<number> {
    const before = landed(await this.list())
    const { own, hub } = this.#place
    for (const key of await this.#keys()) {
      await ifAlone(own, urlLock(key), async () => {
        const names = await own.list(key)
        for (const name of names.filter((name) => /\.(incomplete|incomplete\.json|tmp)$/.test(name))) {
          await own.remove(`${key}/${name}`)
        }
        if ((await own.list(key)).length < 2) await own.remove(key)
      })
    }
    for (const id of await this.#repositories()) {
      for (const blob of await partialBlobs(hub!, id)) {
        await ifAlone(hub!, hubLock(id, nameOf(blob)), () => forget(hub!, blob))
      }
      const root = repositoryFolder(id)
      // Of a repository whose first file never came.
      if ((await walk(hub!, root)).length === 0) await hub!.remove(root)
    }
    return before - landed(await this.list())
  }

  /** Reads whole files, of one model or of all, and compares their SHA-256. */
  async verify(input?: string | URL, { signal }: { signal?: AbortSignal } = {}): Promise<Verified[]> {
    const inputs =
      input === undefined
        ? (await this.list()).filter(({ complete }) => complete).map((file) => file.input)
        : await this.locate(input)
    const verified: Verified[] = []
    for (const one of inputs) {
      const slot = this.#slot(one)
      const file = await slot.find()
      if (!file) throw isAbsent(slot.input)
      verified.push({ input: slot.input, ok: file.sha256 === undefined ? undefined : await isSound(file, signal) })
    }
    return verified
  }

  /**
   * The bytes of one file, to be kept elsewhere; of shards that of the given one.
   * @throws SourceError STORE_ABSENT
   */
  async export(input: string | URL): Promise<AsyncIterable<Uint8Array<ArrayBuffer>>> {
    const repository = repositoryOf(String(input))
    const [location] = repository ? await this.locate(input) : [String(input)]
    const file = ModelStore.keeps(location) ? await this.#slot(location).find() : undefined
    if (!file) throw isAbsent(String(input))
    return piecesOf(file)
  }

  #slot(location: string): StoreSlot {
    return slotOf(location, this.#place)
  }

  /** A file that is not whole, by its record. */
  async #unfinished(folder: StoreFolder, recordPath: string): Promise<StoredFile[]> {
    const path = recordPath.slice(0, -'.incomplete.json'.length)
    const record = await recordOf(folder, path)
    if (!record) return []
    const partial = `${path}.incomplete`
    const [bytes = 0, modified = 0] = await Promise.all([folder.size(partial), folder.modified(partial)])
    const { input } = this.#slot(record.url)
    const about = { size: record.size, landed: bytes, complete: false, sha256: undefined, modified }
    return [{ input, path: await pathOf(folder, partial), ...about }]
  }
}

/** One SHA-256 a file, or none. @throws ArgumentError SHA256 */
function sumsOf(sha256: SourceOptions['sha256'], count: number): readonly string[] {
  const sums = sha256 === undefined ? [] : [sha256].flat()
  sums.forEach(checkSha256)
  if (sums.length === 0 || sums.length === count) return sums
  const message = `The model is in ${count} files; sha256 must be a list of as many checksums, in their order.`
  throw new ArgumentError('SHA256', message, sha256)
}

/** @throws SourceError SHA256_MISMATCH */
async function checkSums(files: readonly KeptFile[], sums: readonly string[], signal?: AbortSignal): Promise<void> {
  for (const [i, sha256] of sums.entries()) {
    const file = files[i]!
    if (file.sha256 === undefined) await checkFile({ ...file, sha256 }, signal)
    else if (file.sha256 !== sha256.toLowerCase()) {
      const message = `The store has ${file.input} with the SHA-256 ${file.sha256}, not ${sha256}; refresh it, or correct sha256.`
      throw new SourceError('SHA256_MISMATCH', message, file.sha256)
    }
  }
}

/** Of `hf:owner/repo[@revision][:QUANT]`; a slash in a revision is written %2F here, so that a path can follow. */
function repositoryOf(location: string): Repository | undefined {
  if (!/^hf:[^@]*(@[^/:]*(:|$)|$)/i.test(location)) return undefined
  const repository = readRepository(location.slice('hf:'.length))
  return repository && isSafe(repository) ? repository : undefined
}

async function storedFile({ input, folder, path, size, sha256 }: KeptFile): Promise<StoredFile> {
  const modified = (await folder.modified(path)) ?? 0
  return { input, path: await pathOf(folder, path), size, landed: size, complete: true, sha256, modified }
}

/** For people to find it. */
async function pathOf(folder: StoreFolder, path: string): Promise<string> {
  const input = await folder.input(path)
  return typeof input === 'string' ? input : path
}

/** For `load`. */
export function inputsOf(files: readonly KeptFile[]): Promise<(string | Blob)[]> {
  return Promise.all(files.map(({ folder, path }) => folder.input(path)))
}

async function* piecesOf({ folder, path, input }: KeptFile): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const source = await openStored(folder, path, input)
  try {
    for (let offset = 0; offset < source.size; offset += PIECE) {
      const piece = new Uint8Array(Math.min(PIECE, source.size - offset))
      await source.read(piece, offset)
      yield piece
    }
  } finally {
    await source.close()
  }
}

function landed(files: readonly StoredFile[]): number {
  return files.reduce((sum, file) => sum + file.landed, 0)
}

async function isSound(file: KeptFile, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await checkFile(file, signal)
    return true
  } catch (error) {
    if (error instanceof SourceError && error.code === 'SHA256_MISMATCH') return false
    throw error
  }
}

async function ifAlone(folder: StoreFolder, lock: string, work: () => Promise<void>): Promise<void> {
  try {
    await alone(folder, lock, lock, work)
  } catch (error) {
    if (!(error instanceof SourceError) || error.code !== 'STORE_BUSY') throw error
  }
}

function isAbsent(input: string): SourceError {
  return new SourceError('STORE_ABSENT', `The store has no ${input}; get it first.`, input)
}
