/**
 * A file of the web becomes a file of a store, piece by piece. What has landed stays: whatever ends a download, the next one
 * goes on from there, if the file on the server is still the same.
 *
 *     NAME.incomplete       the bytes from 0 on that have landed
 *     NAME.incomplete.json  whose they are: URL, version, size
 *     NAME                  all of them, checked
 */
import { FormatError, SourceError, throwIfAborted, UnsupportedError } from '../errors.ts'
import { readGguf } from '../gguf/reader.ts'
import type { StoreFile, StoreFolder } from '../platform/types.ts'
import { bodyReader, contentRange, fileSize, isEncoded } from '../source/http-answer.ts'
import { type Answer, Client } from '../source/http-client.ts'
import { bytesSource } from '../source/memory.ts'
import type { Source, SourceOptions } from '../source/types.ts'
import { untilAborted } from '../util/abort.ts'

export interface Wanted {
  url: string
  /** What the hub promises, or the caller asks for. */
  sha256?: string
  size?: number
}

export interface DownloadOptions extends SourceOptions {
  signal?: AbortSignal
  /** Bytes that there are, and that there will be; the latter may not be known. */
  onProgress?: (done: number, total: number | undefined) => void
  /** Asks for room. */
  reserve?: (bytes: number) => Promise<void>
  /** Milliseconds without a byte after which the connection is given up. */
  stall?: number
}

/** What is known of a file on its server, as long as it is not whole. */
export interface DownloadRecord {
  url: string
  size?: number
  etag?: string
  modified?: string
}

/** A file that is whole. */
export interface Downloaded extends DownloadRecord {
  size: number
  sha256: string
}

const STALL = 60_000
/** How often one download begins again. */
const MOST_RESTARTS = 3
/** In the place of a number of bytes. */
const ASK_AGAIN = -1

/** What a file begins with that says what it is. */
const START = 64

/** The caller has the lock of the file. */
export async function download(
  folder: StoreFolder,
  path: string,
  wanted: Wanted,
  options: DownloadOptions,
  /** Called when the file is whole and sound, before it has its name. */
  done: (downloaded: Downloaded) => Promise<void> = async () => {},
): Promise<Downloaded> {
  const partial = `${path}.incomplete`
  const file = await folder.open(partial)
  let closed = false
  try {
    const filling = new Filling(folder, partial, file, wanted, options)
    const downloaded = await filling.run()
    closed = true
    await file.close()
    await checkSound(folder, partial, filling.name, options.signal)
    await done(downloaded)
    await folder.rename(partial, path)
    await folder.remove(`${partial}.json`)
    return downloaded
  } catch (error) {
    if (!closed) await file.close()
    // Neither gets better by another try, and a full disk needs the room.
    if (isUseless(error)) await forget(folder, path)
    throw error
  }
}

/** Drops what has landed of a file. */
export async function forget(folder: StoreFolder, path: string): Promise<void> {
  await folder.remove(`${path}.incomplete.json`)
  await folder.remove(`${path}.incomplete`)
}

/** What is known of a file that is not whole. */
export async function recordOf(folder: StoreFolder, path: string): Promise<DownloadRecord | undefined> {
  return parseRecord(await folder.read(`${path}.incomplete.json`))
}

export function parseRecord<T extends DownloadRecord>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  try {
    const record = JSON.parse(text)
    return typeof record?.url === 'string' ? record : undefined
  } catch {
    // It was cut short: the machine went down.
    return undefined
  }
}

function isUseless(error: unknown): boolean {
  if (error instanceof FormatError || error instanceof UnsupportedError) return true
  return error instanceof SourceError && ['STORE_FULL', 'SHA256_MISMATCH'].includes(error.code)
}

/** Reads the header, and so knows whether all that it speaks of is there. */
async function checkSound(
  folder: StoreFolder,
  path: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const source = await openStored(folder, path, name)
  try {
    await readGguf(source, signal)
  } finally {
    await source.close()
  }
}

/** A file of a store as a source with a name of its own. */
export async function openStored(folder: StoreFolder, path: string, name: string): Promise<Source> {
  const source = await folder.source(path)
  return {
    name,
    size: source.size,
    read: (target, offset, signal) => source.read(target, offset, signal),
    ...(source.sha256 && { sha256: () => source.sha256!() }),
    close: () => source.close(),
  }
}

/** One file on its way. */
class Filling {
  readonly name: string
  readonly #folder: StoreFolder
  readonly #partial: string
  readonly #file: StoreFile
  readonly #wanted: Wanted
  readonly #options: DownloadOptions
  readonly #client: Client
  #record: DownloadRecord
  /** Whether bytes of an earlier answer are kept: those may be another file's, if the server says nothing of versions. */
  #resumed = false
  #restarts = 0

  constructor(folder: StoreFolder, partial: string, file: StoreFile, wanted: Wanted, options: DownloadOptions) {
    this.#client = new Client(wanted.url, options)
    this.name = this.#client.name
    this.#folder = folder
    this.#partial = partial
    this.#file = file
    this.#wanted = wanted
    this.#options = options
    this.#record = { url: wanted.url }
  }

  get #size(): number | undefined {
    return this.#wanted.size ?? this.#record.size
  }

  /** All bytes, with the SHA-256 that they should have. */
  async run(): Promise<Downloaded> {
    await this.#takeUp()
    for (let again = false; ; again = true) {
      await this.#fill()
      const sha256 = await this.#file.digest()
      const { sha256: expected = sha256 } = this.#wanted
      if (sha256 === expected.toLowerCase()) return { ...this.#record, size: this.#file.size, sha256 }
      if (!this.#resumed || again) {
        throw new SourceError(
          'SHA256_MISMATCH',
          `${this.name} has the SHA-256 ${sha256}, not ${expected}: the server sends another file than it promises, or ` +
            'sha256 is that of another.',
          sha256,
        )
      }
      await this.#clear()
    }
  }

  /** Goes on with what has landed, if it can be compared with what the server has now. */
  async #takeUp(): Promise<void> {
    const text = await this.#folder.read(`${this.#partial}.json`)
    const record = parseRecord<DownloadRecord>(text)
    const known = record && record.url === this.#wanted.url ? record : undefined
    const comparable = this.#wanted.sha256 !== undefined || (known && versionOf(known) !== undefined)
    if (known) this.#record = known
    if (this.#file.size === 0) return
    const tooLong = this.#file.size > (this.#size ?? Infinity)
    if (comparable && !tooLong) this.#resumed = true
    else await this.#clear()
  }

  async #clear(): Promise<void> {
    await this.#file.clear()
    this.#record = { url: this.#wanted.url }
    this.#resumed = false
  }

  /** Begins again, since an answer does not go on where the last one ended. */
  async #restart(code: 'SOURCE_CHANGED' | 'HTTP_RANGE', why: string): Promise<void> {
    await this.#clear()
    if (this.#restarts++ < MOST_RESTARTS) return
    throw new SourceError(code, `${this.name} cannot be downloaded in parts: ${why}, again and again.`, this.name)
  }

  /** Asks until all has landed. */
  async #fill(): Promise<void> {
    const { signal } = this.#options
    await this.#client.attempt(signal, async (progress) => {
      while (this.#file.size === 0 || this.#file.size !== this.#size) {
        const ended = await this.#answer(progress)
        if (ended) return
      }
    })
    const { size } = this.#file
    this.#options.onProgress?.(size, size)
  }

  /** One request. True: its answer had the end of a file whose size nobody says. */
  async #answer(progress: () => void): Promise<boolean> {
    const answer = await this.#request()
    const controller = new StallTimer(this.#options.stall ?? STALL, answer)
    try {
      const skip = await this.#begin(answer)
      if (skip === ASK_AGAIN) return false
      return await this.#take(answer, skip, controller, progress)
    } finally {
      controller.stop()
      answer.cancel()
    }
  }

  async #request(): Promise<Answer> {
    const { signal } = this.#options
    const from = this.#file.size
    try {
      return await this.#client.get(from || undefined, signal, from ? versionOf(this.#record) : undefined)
    } catch (error) {
      // The file is shorter than what has landed.
      if (from === 0 || !(error instanceof SourceError) || error.value !== 416) throw error
      await this.#restart('SOURCE_CHANGED', 'it becomes shorter')
      return this.#client.get(undefined, signal)
    }
  }

  /** Compares an answer with what has landed. Returns how many of its bytes are there already. */
  async #begin({ response }: Answer): Promise<number> {
    const from = this.#file.size
    const record = recordFrom(this.#wanted.url, response, from)
    const same = isSame(this.#record, record)
    const changed = 'it changes on the server'
    if (from > 0 && response.status === 206) {
      const start = contentRange(response)?.start ?? from
      if (same && start === from && !isEncoded(response)) {
        this.#resumed = true
        this.#record = { ...this.#record, ...record }
        return 0
      }
      if (same) await this.#restart('HTTP_RANGE', `the server sends other bytes than those asked for (${start})`)
      else await this.#restart('SOURCE_CHANGED', changed)
      return ASK_AGAIN
    }
    // The server knows no ranges.
    if (from > 0 && same && versionOf(record) !== undefined) return from
    if (from > 0)
      await (same ? this.#restart('HTTP_RANGE', 'the server sends it whole') : this.#restart('SOURCE_CHANGED', changed))
    this.#checkPromise(record)
    this.#record = record
    await this.#folder.write(`${this.#partial}.json`, JSON.stringify(record))
    if (this.#size !== undefined) await this.#options.reserve?.(this.#size)
    return 0
  }

  #checkPromise({ size }: DownloadRecord): void {
    const { size: promised } = this.#wanted
    if (size === undefined || promised === undefined || size === promised) return
    throw new SourceError(
      'SOURCE_CHANGED',
      `${this.name} has ${size} bytes, not the ${promised} that were promised; ask again.`,
      size,
    )
  }

  /** Takes the bytes of an answer, but for the first ones. */
  async #take({ response }: Answer, skip: number, stall: StallTimer, progress: () => void): Promise<boolean> {
    const { signal, onProgress } = this.#options
    const reader = bodyReader(response)
    // A server may send fewer bytes than were asked for; the next ones then take a new request.
    const end = contentRange(response)?.end ?? this.#size
    for (let left = skip; ; ) {
      const { done, value } = await stall.watch(untilAborted(reader.read(), signal, this.#client.what))
      if (done && end === undefined) return true
      if (done) throw new Error(`The answer ended at byte ${this.#file.size} instead of ${end}.`)
      const skipped = Math.min(left, value.length)
      left -= skipped
      const bytes = value.subarray(skipped, skipped + (end ?? Infinity) - this.#file.size) as Uint8Array<ArrayBuffer>
      if (bytes.length === 0) continue
      if (this.#file.size === 0) await this.#checkStart(bytes)
      await this.#file.append(bytes)
      progress()
      onProgress?.(this.#file.size, this.#size)
      if (this.#file.size === end) return false
      throwIfAborted(signal, this.#client.what)
    }
  }

  /** @throws FormatError for a page, a pointer, an archive: before it is all there */
  async #checkStart(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const start = bytes.subarray(0, START)
    if (String.fromCharCode(...start.subarray(0, 4)) === 'GGUF') return
    const source = { ...bytesSource(start), name: this.name }
    await readGguf(source)
  }
}

/** Gives up an answer that brings nothing for a while. */
class StallTimer {
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly after: number,
    private readonly answer: Answer,
  ) {}

  async watch<T>(reading: Promise<T>): Promise<T> {
    const stalled = new Promise<never>((_, reject) => {
      this.#timer = setTimeout(() => {
        this.answer.cancel()
        reject(new Error(`no byte came within ${this.after} ms`))
      }, this.after)
    })
    try {
      return await Promise.race([reading, stalled])
    } finally {
      this.stop()
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

function recordFrom(url: string, response: Response, from: number): DownloadRecord {
  const [etag, modified] = ['etag', 'last-modified'].map((name) => response.headers.get(name) ?? undefined)
  const size = fileSize(response, from)
  return {
    url,
    ...(size !== undefined && { size }),
    ...(etag !== undefined && { etag }),
    ...(modified !== undefined && { modified }),
  }
}

/** What If-Range takes: a strong validator, or a date. */
function versionOf({ etag, modified }: DownloadRecord): string | undefined {
  return etag !== undefined && !etag.startsWith('W/') ? etag : etag === undefined ? modified : undefined
}

/** Whether two answers are of one version of a file, as far as they say. */
function isSame(before: DownloadRecord, now: DownloadRecord): boolean {
  for (const key of ['size', 'etag', 'modified'] as const) {
    if (before[key] === undefined || now[key] === undefined) continue
    if (before[key] !== now[key]) return false
    if (key === 'etag') return true
  }
  return true
}
