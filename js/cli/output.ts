/** Files that commands write: whole under their name, or not at all. */
import { rmSync } from 'node:fs'
import { access, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { ArgumentError, CriaError } from '../errors.ts'

/**
 * Writes beside `path`, or what it links to, and renames when all is on disk; a file that is replaced keeps its
 * permissions. What is left of a failure, or of a process that a signal ends, is removed. Returns the bytes written.
 * @throws ArgumentError FILE_EXISTS where the file has come up meanwhile and may not be replaced; CriaError FILE_WRITE
 *   for what is no file, and where the disk is full, or does not take it for another reason
 */
export async function writeWhole(path: string, chunks: AsyncIterable<Uint8Array>, force: boolean): Promise<number> {
  const kind = await stat(path).catch(() => undefined)
  if (kind && !kind.isFile()) throw unwritable(path, 'it is a folder or a device')
  const place = await realpath(path).catch(() => path)
  const temporary = `${place}.${process.pid}.part`
  const refuse = (cause: unknown): never => {
    throw unwritable(path, cause)
  }
  const ended = async (signal: NodeJS.Signals): Promise<void> => {
    if (await made) rmSync(temporary, { force: true })
    process.kill(process.pid, signal)
  }
  // Before the file comes up, which it may do before anyone hears of it.
  process.once('SIGTERM', ended).once('SIGHUP', ended)
  const opening = open(temporary, 'wx', kind && kind.mode & 0o777)
  const made = opening.then(
    () => true,
    () => false,
  )
  try {
    const handle = await opening.catch(refuse)
    let size = 0
    try {
      for await (const chunk of chunks) {
        await handle.writeFile(chunk).catch(refuse)
        size += chunk.length
      }
      await handle.sync().catch(refuse)
    } finally {
      await handle.close()
    }
    if (!force) await refuseExisting(path)
    await rename(temporary, place).catch(refuse)
    return size
  } catch (error) {
    if (await made) await rm(temporary, { force: true })
    throw error
  } finally {
    process.off('SIGTERM', ended).off('SIGHUP', ended)
  }
}

function unwritable(path: string, cause: unknown): CriaError {
  const message = `${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}. Nothing is left of it.`
  return new CriaError('FILE_WRITE', message, path, { cause })
}

/**
 * Before the work: the file may be written, and is none of those that are read, which `force` does not give up either.
 * @throws ArgumentError FILE_EXISTS, SAME_FILE
 */
export async function checkOutput(out: string, force: boolean, ...inputs: (string | undefined)[]): Promise<void> {
  if (!force) await refuseExisting(out)
  const b = await stat(out).catch(() => undefined)
  for (const input of b ? inputs : []) {
    const a = input === undefined ? undefined : await stat(placeOf(input)).catch(() => undefined)
    if (!a || a.ino !== b!.ino || a.dev !== b!.dev) continue
    throw new ArgumentError('SAME_FILE', `${out} is a file that is read; choose another name.`, out)
  }
}

/** As a source is opened: a `file:` URL, or a path. */
function placeOf(input: string): string | URL {
  return /^file:/i.test(input) && URL.canParse(input) ? new URL(input) : input
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await access(path)
  } catch {
    return
  }
  throw new ArgumentError('FILE_EXISTS', `${path} exists; choose another name, or replace it with --force.`, path)
}
