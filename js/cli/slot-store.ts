/** Where `cria serve` keeps what slots computed: files in a folder. */
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SlotStore } from '../server/types.ts'
import { UsageError } from './flags.ts'

/** @throws UsageError for what is no folder */
export async function slotStore(folder: string): Promise<SlotStore> {
  const found = await stat(folder).catch(() => undefined)
  if (!found?.isDirectory()) throw new UsageError(`--slot-save-path takes a folder, not ${JSON.stringify(folder)}.`)
  // Clients learn of failures without the path.
  return {
    async save(name, state) {
      const path = join(folder, name)
      const part = `${path}.${crypto.randomUUID()}.part`
      try {
        await writeFile(part, state)
        await rename(part, path)
      } catch (cause) {
        await rm(part, { force: true })
        throw new Error(`${path} cannot be written`, { cause })
      }
    },
    async load(name) {
      const path = join(folder, name)
      return readFile(path).catch((cause) => {
        if (cause.code === 'ENOENT') return undefined
        throw new Error(`${path} cannot be read`, { cause })
      })
    },
  }
}
