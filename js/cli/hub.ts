/** The Hugging Face hub: which file of a repository is the model, as llama.cpp chooses it. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SourceError } from '../errors.ts'
import { hubCache } from '../platform/store-node.ts'
import { HUB } from '../source/hub-url.ts'
import { huggingFaceUrl } from '../source/source.ts'
import {
  bestFile,
  hubEndpoint,
  hubName,
  listFiles,
  noSuchFile,
  type Repository,
  repositoryFolder,
} from '../store/hub.ts'

const ADVICE = {
  offline: '; with --offline the files that were downloaded before are read',
  private: '--hf-token',
}

function endpoint(): string {
  return hubEndpoint((name) => process.env[name])
}

/** Whether requests to this location go to the hub, and may carry its token. */
export function isHub(location: string | URL): boolean {
  const text = String(location)
  return /^hf:/i.test(text) || [endpoint(), HUB].some((address) => text.toLowerCase().startsWith(`${address}/`))
}

/** The location in the form that sources are opened by: `hf:` means huggingface.co there. */
export function onHub(location: string): string {
  if (!/^hf:/i.test(location) || endpoint() === HUB) return location
  return huggingFaceUrl(location, endpoint())
}

export interface HubOptions {
  /** The file's path there, in place of the choice. */
  file: string | undefined
  token: string | undefined
  /** Read what tools of the hub have downloaded before. */
  offline: boolean
  signal: AbortSignal
}

/**
 * The location of the repository's model: the file whose name has the tag; without one the first with Q4_K_M, else with Q8_0, else
 * the first GGUF file. Of shards, the first.
 * @throws SourceError where the files cannot be listed; ArgumentError where none is a model of that tag
 */
export async function findModel(repository: Repository, options: HubOptions): Promise<string> {
  const { id, revision, tag } = repository
  const { file, token, offline, signal } = options
  if (file !== undefined && !offline) return locationOf(repository, file)
  const cached = offline ? await snapshotOf(id, revision) : undefined
  const files =
    cached === undefined ? await listFiles(repository, endpoint(), { token, signal, ...ADVICE }) : await filesIn(cached)
  const found = file === undefined ? bestFile(files, tag) : files.find((name) => name === file)
  if (found !== undefined) return cached === undefined ? locationOf(repository, found) : join(cached, found)
  throw noSuchFile(id, files, file, tag)
}

function locationOf({ id, revision }: Repository, file: string): string {
  return onHub(hubName({ id, revision, path: file }))
}

/** The folder of the repository's files that tools of the hub have downloaded. */
async function snapshotOf(id: string, revision: string): Promise<string> {
  const folder = join(hubCache(), repositoryFolder(id))
  const commit = await readFile(join(folder, 'refs', ...revision.split('/')), 'utf8').catch((cause) => {
    const message = `${folder} has no files of ${id} (${revision}): without --offline cria reads them from the hub.`
    throw new SourceError('HUB_CACHE', message, folder, { cause })
  })
  return join(folder, 'snapshots', commit.trim())
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true }).catch((cause) => {
    throw new SourceError('HUB_CACHE', `${folder} cannot be read (${String(cause)}).`, folder, { cause })
  })
  return entries.map((entry) => entry.replaceAll('\\', '/')).sort()
}
