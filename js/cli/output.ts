/** Files that commands write: whole under their name, or not at all. */
import { access, open, rename, rm } from 'node:fs/promises'
import { ArgumentError } from '../errors.ts'

/**
 * Writes beside `path` and renames when all is on disk; what is left of a failure is removed. Returns the bytes written.
 * @throws ArgumentError FILE_EXISTS where the file has come up meanwhile and may not be replaced
 */
export async function writeWhole(path: string, chunks: AsyncIterable<Uint8Array>, force: boolean): Promise<number> {
  const temporary = `${path}.${process.pid}.part`
  const handle = await open(temporary, 'wx')
  try {
    let size = 0
    try {
      for await (const chunk of chunks) {
        await handle.writeFile(chunk)
        size += chunk.length
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (!force) await refuseExisting(path)
    await rename(temporary, path)
    return size
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

export async function refuseExisting(path: string): Promise<void> {
  try {
    await access(path)
  } catch {
    return
  }
  throw new ArgumentError('FILE_EXISTS', `${path} exists; choose another name, or replace it with --force.`, path)
}
