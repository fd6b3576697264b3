/**
 * Locks that processes hold by a file, which says who. Node has no locks of the system's; a process that was killed leaves its
 * file, and so whoever holds one touches it, and one that nobody touches is taken away.
 */
import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { SourceError, throwIfAborted } from '../errors.ts'
import { sleep } from '../util/abort.ts'

/** Milliseconds between two looks at a lock that another holds, between two touches, and until one is given up. */
const LOOK = 200
const TOUCH = 5_000
const STALE = 30_000

/** @throws SourceError STORE_UNUSABLE, AbortError */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  wait: () => void,
  signal?: AbortSignal,
): Promise<T> {
  const token = `${process.pid} ${randomUUID()} ${hostname()}`
  const what = `Waiting for ${path}`
  while (!(await take(path, token))) {
    throwIfAborted(signal, what)
    if (await release(path, isOver)) continue
    wait()
    await sleep(LOOK, signal, what)
  }
  const touch = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), TOUCH)
  touch.unref()
  try {
    return await work()
  } finally {
    clearInterval(touch)
    await release(path, async (found) => found === token)
  }
}

async function take(path: string, token: string): Promise<boolean> {
  try {
    await writeFile(path, token, { flag: 'wx' })
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    const message = `${path} cannot be written (${String(cause)}); HF_HOME names another folder for models.`
    throw new SourceError('STORE_UNUSABLE', message, path, { cause })
  }
}

/** Removes a lock, if it is one of those. It is first moved away, so that of several who try one does. */
async function release(path: string, isOne: (token: string, path: string) => Promise<boolean>): Promise<boolean> {
  const token = await readFile(path, 'utf8').catch(() => undefined)
  if (token === undefined) return true
  if (!(await isOne(token, path))) return false
  const moved = `${path}.${randomUUID().slice(0, 8)}`
  try {
    await rename(path, moved)
  } catch {
    return true
  }
  // Another was quicker, and holds one by now.
  if ((await readFile(moved, 'utf8')) !== token) await rename(moved, path)
  else await rm(moved, { force: true })
  return true
}

/** Whether nobody holds a lock any more. A file without a token was made this moment, or its maker was killed right then. */
async function isOver(token: string, path: string): Promise<boolean> {
  const [pid = '', , host] = token.split(' ')
  if (host === hostname() && !isAlive(Number(pid))) return true
  const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? {}
  return mtimeMs !== undefined && Date.now() - mtimeMs > STALE
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
