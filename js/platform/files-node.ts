/** Files where `node:fs` exists: Node, Deno, Bun. */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ArgumentError, SourceError, throwIfAborted } from '../errors.ts'
import type { Source } from '../source/types.ts'
import { checkRange } from '../util/check.ts'

/** Bytes read between two looks at the signal. */
const PIECE = 16 * 1024 * 1024

/** Paths are the same in workers. */
export function locate(path: string): string {
  return path
}

/**
 * Opens a file for reading.
 * @throws SourceError where there is no such file, it is a directory, or it may not be read.
 */
export async function openFile(location: string | URL): Promise<Source> {
  const path = typeof location === 'string' ? location : pathOf(location)
  let handle: FileHandle | undefined
  try {
    // Asked first, since opening a pipe would wait for somebody to write to it.
    const kind = await stat(path)
    if (kind.isDirectory()) throw isDirectory(path)
    if (!kind.isFile()) throw new SourceError('FILE_KIND', `${path} is no regular file; copy it to one.`, path)
    handle = await open(path, 'r')
    return fileSource(handle, path, (await handle.stat()).size)
  } catch (cause) {
    await handle?.close()
    throw cause instanceof SourceError ? cause : fileError(path, cause)
  }
}

function fileSource(handle: FileHandle, name: string, size: number): Source {
  return {
    name,
    size,
    async read(target, offset, signal) {
      checkRange(this, target, offset)
      for (let done = 0; done < target.length; ) {
        throwIfAborted(signal, `Reading ${name}`)
        const length = Math.min(PIECE, target.length - done)
        const bytesRead = await readPiece(handle, name, target, done, length, offset + done)
        if (bytesRead === 0) {
          throw new SourceError('SOURCE_CHANGED', `${name} became shorter while it was read; load it again.`, name)
        }
        done += bytesRead
      }
    },
    // Imported when needed: it costs each worker a megabyte.
    sha256: async () => (await import('node:crypto')).createHash('sha256'),
    close: () => handle.close(),
  }
}

async function readPiece(
  handle: FileHandle,
  name: string,
  target: Uint8Array,
  start: number,
  length: number,
  position: number,
): Promise<number> {
  try {
    return (await handle.read(target, start, length, position)).bytesRead
  } catch (cause) {
    throw fileError(name, cause)
  }
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new ArgumentError('INPUT_URL', `${url.href} names no file on this machine.`, url.href, { cause })
  }
}

function isDirectory(path: string): SourceError {
  return new SourceError('FILE_DIRECTORY', `${path} is a directory; pass the path of a .gguf file in it.`, path)
}

function fileError(path: string, cause: unknown): SourceError {
  const options = { cause }
  const { code, name } = Object(cause) as NodeJS.ErrnoException
  switch (name === 'NotCapable' ? name : code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new SourceError('FILE_NOT_FOUND', `There is no file ${path}; check the path.`, path, options)
    case 'EISDIR':
      return isDirectory(path)
    case 'EACCES':
    case 'EPERM':
      return new SourceError('FILE_PERMISSION', `${path} may not be read; check its permissions.`, path, options)
    // Of Node's and of Deno's own permissions.
    case 'ERR_ACCESS_DENIED':
    case 'NotCapable':
      return new SourceError(
        'FILE_PERMISSION',
        `${path} may not be read by this process; start it with --allow-fs-read (Node) or --allow-read (Deno).`,
        path,
        options,
      )
    default:
      return new SourceError('FILE_READ', `${path} cannot be read: ${String(cause)}`, path, options)
  }
}
