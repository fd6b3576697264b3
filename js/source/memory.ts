/** Sources over what the caller already has: bytes, a Blob or a File. */

import { SourceError, throwIfAborted } from '../errors.ts'
import { untilAborted } from '../util/abort.ts'
import { checkRange } from '../util/check.ts'
import type { FileHandle, Source } from './types.ts'

/** Bytes are copied as they are read; the caller's buffer is neither detached nor copied whole. */
export function bytesSource(bytes: Uint8Array, name = 'The bytes'): Source {
  return {
    name,
    size: bytes.length,
    async read(target, offset, signal) {
      throwIfAborted(signal, `Reading ${name}`)
      checkRange(this, target, offset)
      target.set(bytes.subarray(offset, offset + target.length))
    },
    async close() {},
  }
}

/** The File of a FileSystemFileHandle, as it is now; else the input. */
export async function fileOf(input: unknown): Promise<unknown> {
  if (!isHandle(input)) return input
  const { name } = input
  try {
    return await input.getFile()
  } catch (cause) {
    const message = `${name} may not be read (${String(cause)}); call its requestPermission, or choose it again.`
    throw new SourceError('FILE_PERMISSION', message, name, { cause })
  }
}

function isHandle(input: unknown): input is FileHandle {
  return typeof Object(input).getFile === 'function'
}

/** Most bytes of a Blob to hold at once beside the target. */
const PIECE = 4 * 1024 * 1024

export function blobSource(blob: Blob, name = (blob as Partial<File>).name ?? 'The Blob'): Source {
  return {
    name,
    size: blob.size,
    async read(target, offset, signal) {
      throwIfAborted(signal, `Reading ${name}`)
      checkRange(this, target, offset)
      for (let done = 0; done < target.length; ) {
        const end = Math.min(done + PIECE, target.length)
        const piece = await untilAborted(readPiece(blob, name, offset + done, offset + end), signal, `Reading ${name}`)
        target.set(piece, done)
        done = end
      }
    },
    async close() {},
  }
}

async function readPiece(blob: Blob, name: string, start: number, end: number): Promise<Uint8Array> {
  let piece: ArrayBuffer
  try {
    piece = await bytesOf(blob.slice(start, end))
  } catch (cause) {
    throw new SourceError(
      'BLOB_READ',
      `${name} cannot be read; was the file moved or changed? Choose it again.`,
      name,
      {
        cause,
      },
    )
  }
  if (piece.byteLength === end - start) return new Uint8Array(piece)
  throw new SourceError('SOURCE_CHANGED', `${name} became shorter while it was read; load it again.`, name)
}

/** Emulations of browsers may have a FileReader alone. */
function bytesOf(blob: Blob): Promise<ArrayBuffer> {
  if (typeof blob.arrayBuffer === 'function') return blob.arrayBuffer()
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result as ArrayBuffer)
    reader.onerror = () => reject(reader.error)
    reader.readAsArrayBuffer(blob)
  })
}
