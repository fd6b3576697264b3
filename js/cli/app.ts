/** `cria app`: the chat app as a folder for any web server. */
import { copyFile, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { appSite } from './app-site.ts'
import type { Command } from './command.ts'
import { text, UsageError, type Values } from './flags.ts'
import { OTHER_FLAGS } from './options.ts'
import { bytes, printable, say } from './terminal.ts'

const OUTPUT = { out: text('--out', 'DIR', 'the folder to write; files that are in the way are replaced') }

const flags = { ...OUTPUT, ...OTHER_FLAGS }

export const appCommand: Command<typeof flags> = {
  name: 'app',
  summary: 'the chat app as a folder for any web server',
  usage: 'app --out DIR',
  description: [
    'Writes the chat app with cria’s runtime and the built-in model: a folder to put on any web server, at any',
    'path, by https. It needs no headers and reaches no server but those that its reader takes models from.',
    'cria serve has the same app at /. See docs/APP.md.',
  ],
  groups: [
    ['Output', OUTPUT],
    ['Other', OTHER_FLAGS],
  ],
  examples: ['cria app --out public', 'npx cria app --out public && npx serve public'],
  flags,
  run,
}

async function run({ out }: Values<typeof flags>, positionals: readonly string[]): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`app takes no argument: ${JSON.stringify(positionals[0])}.`)
  if (!out) throw new UsageError('app needs --out DIR; to use the app at once, run cria serve and open its address.')
  const { files } = await appSite()
  let size = 0
  for (const [address, file] of files) {
    const path = join(out, address)
    await mkdir(dirname(path), { recursive: true })
    await copyFile(file, path)
    size += (await stat(path)).size
  }
  say(`${printable(out)}: ${files.size} files, ${bytes(size)}`)
  return 0
}
