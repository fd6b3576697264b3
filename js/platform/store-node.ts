/** Models in folders of this machine: the cache of the Hugging Face hub, and one of our own beside it. */
import { createHash, type Hash, randomUUID } from 'node:crypto'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, posix, relative } from 'node:path'
import { SourceError } from '../errors.ts'
import { openFile } from './files-node.ts'
import { withLock } from './store-lock-node.ts'
import type { StoreFile, StoreFolder, StorePlace } from './store-types.ts'

/** Bytes of a file that are read at once to be hashed. */
const PIECE = 4 * 1024 * 1024

export function nodeStore(): StorePlace {
  return {
    own: nodeFolder(join(hubHome(), 'cria')),
    hub: nodeFolder(hubCache()),
    variable,
    // What the disk has left is no promise: a write says whether it fits.
    reserve: async () => {},
  }
}

/** An empty variable is as none. */
function variable(name: string): string | undefined {
  return process.env[name] || undefined
}

function hubHome(): string {
  return variable('HF_HOME') ?? join(variable('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface')
}

/** The folder of the hub's cache, as llama.cpp and huggingface_hub choose it. */
export function hubCache(): string {
  const named = ['LLAMA_CACHE', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE'].map(variable)
  return named.find((path) => path !== undefined) ?? join(hubHome(), 'hub')
}

export function nodeFolder(root: string): StoreFolder {
  const at = (path: string): string => join(root, path)
  const made = async (path: string): Promise<string> => {
    const file = at(path)
    await writing(dirname(file), mkdir(dirname(file), { recursive: true }))
    return file
  }
  const write = async (path: string, text: string): Promise<void> => {
    const file = await made(path)
    const temporary = `${file}.${randomUUID().slice(0, 8)}.tmp`
    await writing(file, writeFile(temporary, text))
    await writing(file, rename(temporary, file))
  }
  return {
    name: root,
    size: async (path) => (await present(stat(at(path))))?.size,
    modified: async (path) => (await present(stat(at(path))))?.mtimeMs,
    read: (path) => present(readFile(at(path), 'utf8')),
    write,
    open: async (path) => openAppend(await made(path)),
    rename: async (from, to) => writing(at(to), rename(at(from), await made(to))),
    remove: (path) => writing(at(path), rm(at(path), { recursive: true, force: true })),
    list: async (path) => ((await present(readdir(at(path)))) ?? []).sort(),
    isFolder: async (path) => (await present(stat(at(path))))?.isDirectory() ?? false,
    link: async (path, target) => {
      const file = await made(path)
      await rm(file, { force: true })
      const to = relative(dirname(file), at(target))
      // Windows forbids links to most users.
      await symlink(to, file).catch(() => writing(file, rename(at(target), file)))
    },
    resolve: async (path) => {
      const target = await readlink(at(path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EINVAL' || isAbsent(error)) return undefined
        throw error
      })
      return target === undefined ? path : posix.join(posix.dirname(path), target.replaceAll('\\', '/'))
    },
    source: (path) => openFile(at(path)),
    input: async (path) => at(path),
    lock: async (name, work, wait, signal) => withLock(await made(name), work, wait, signal),
  }
}

async function openAppend(path: string): Promise<StoreFile> {
  // For reading too: what is there is hashed.
  const flags = (await present(stat(path))) ? 'r+' : 'w+'
  const handle = await writing(path, open(path, flags))
  return new NodeStoreFile(handle, path, (await handle.stat()).size)
}

class NodeStoreFile implements StoreFile {
  readonly #handle: FileHandle
  readonly #path: string
  #size: number
  #hash: Hash = createHash('sha256')
  /** Bytes that are hashed. */
  #hashed = 0

  constructor(handle: FileHandle, path: string, size: number) {
    this.#handle = handle
    this.#path = path
    this.#size = size
  }

  get size(): number {
    return this.#size
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#hashRest()
    for (let done = 0; done < bytes.length; ) {
      const written = await writing(this.#path, this.#handle.write(bytes, done, bytes.length - done, this.#size))
      done += written.bytesWritten
      this.#size += written.bytesWritten
    }
    this.#hash.update(bytes)
    this.#hashed = this.#size
  }

  async clear(): Promise<void> {
    await writing(this.#path, this.#handle.truncate(0))
    this.#size = this.#hashed = 0
    this.#hash = createHash('sha256')
  }

  async digest(): Promise<string> {
    await this.#hashRest()
    return this.#hash.copy().digest('hex')
  }

  async close(): Promise<void> {
    try {
      await writing(this.#path, this.#handle.datasync())
    } finally {
      await this.#handle.close()
    }
  }

  async #hashRest(): Promise<void> {
    if (this.#hashed === this.#size) return
    const piece = new Uint8Array(Math.min(PIECE, this.#size - this.#hashed))
    while (this.#hashed < this.#size) {
      const length = Math.min(piece.length, this.#size - this.#hashed)
      const { bytesRead } = await this.#handle.read(piece, 0, length, this.#hashed)
      if (bytesRead === 0) {
        throw new SourceError('SOURCE_CHANGED', `${this.#path} became shorter while it was read.`, this.#path)
      }
      this.#hash.update(piece.subarray(0, bytesRead))
      this.#hashed += bytesRead
    }
  }
}

function isAbsent({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** What a call gives, or undefined where there is no such file. */
async function present<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isAbsent(error as NodeJS.ErrnoException)) return undefined
    throw unusable(String((error as NodeJS.ErrnoException).path), error)
  }
}

/** @throws SourceError STORE_FULL, STORE_UNUSABLE */
async function writing<T>(path: string, call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
      throw new SourceError('STORE_FULL', `The disk has no room for ${path}.`, path, { cause })
    }
    throw unusable(path, cause)
  }
}

function unusable(path: string, cause: unknown): SourceError {
  const message = `${path} cannot be used (${String(cause)}); HF_HOME names another folder for models.`
  return new SourceError('STORE_UNUSABLE', message, path, { cause })
}
