/** Where bytes come from. Knows no platform: files are opened by the function that is passed in. */
import { ArgumentError, throwIfAborted } from '../errors.ts'
import { isBlob, isUrl, kindOf } from '../util/kind.ts'
import { checkSha256, hashed } from './hashed.ts'
import { openHttp } from './http.ts'
import { hubUrl } from './hub-url.ts'
import { blobSource, bytesSource, fileOf } from './memory.ts'
import type { ModelInput, OpenFile, Source, SourceOptions } from './types.ts'

/**
 * Opens a file path, a `file:`, `http:`, `https:` or `hf:owner/repo[@revision]/path` URL, a Blob or File, the handle of a
 * file, or bytes. A string without one of these prefixes is a path.
 * @throws ArgumentError for what is none of these, or a malformed option; SourceError where the bytes cannot be read.
 * @internal
 */
export async function openSource(
  input: ModelInput,
  openFile: OpenFile,
  options: SourceOptions & { signal?: AbortSignal } = {},
): Promise<Source> {
  const { signal } = options
  const sha256 = Array.isArray(options.sha256) && options.sha256.length === 1 ? options.sha256[0] : options.sha256
  if (sha256 !== undefined) checkSha256(sha256)
  throwIfAborted(signal, 'Opening the model')
  const source = await open(input, openFile, options)
  return sha256 === undefined ? source : hashed(source, sha256)
}

async function open(
  input: ModelInput,
  openFile: OpenFile,
  options: SourceOptions & { signal?: AbortSignal },
): Promise<Source> {
  if ((typeof input === 'string' && input !== '') || isUrl(input)) {
    const location = String(input)
    const read = async (path: string | URL): Promise<Source> => {
      const opened = await openFile(path)
      return typeof opened === 'string' ? openHttp(opened, options) : opened
    }
    // A browser's extension fetches its own files, too.
    if (/^(https?|[a-z-]+-extension):/i.test(location)) return openHttp(location, options)
    if (/^hf:/i.test(location)) return openHttp(huggingFaceUrl(location), options)
    if (/^file:/i.test(location)) return read(parseUrl(location))
    if (isUrl(input) || /^[a-z][a-z0-9+.-]*:\/\//i.test(location)) {
      const scheme = location.slice(0, location.indexOf(':') + 1)
      throw new ArgumentError(
        'INPUT_SCHEME',
        `Models are read from file:, http:, https: and hf: URLs, not from ${scheme}.`,
        scheme,
      )
    }
    return read(location)
  }
  if (ArrayBuffer.isView(input)) return bytesSource(new Uint8Array(input.buffer, input.byteOffset, input.byteLength))
  if (/^(Shared)?ArrayBuffer$/.test(kindOf(input))) return bytesSource(new Uint8Array(input as ArrayBuffer))
  const file = await fileOf(input)
  if (isBlob(file)) return blobSource(file)
  throw new ArgumentError(
    'INPUT_KIND',
    'The model must be a path, a URL, a Blob, File or handle of a file, an ArrayBuffer or a view of one; of a response, its URL or `await response.blob()`.',
    typeof input,
  )
}

function parseUrl(location: string): URL {
  if (URL.canParse(location)) return new URL(location)
  throw new ArgumentError('INPUT_URL', `${location} is no valid URL.`, location)
}

/**
 * `hf:owner/repo/path` or `hf:owner/repo@revision/path` as a URL of the Hugging Face hub; the revision is `main` by
 * default, and a slash in it is written `%2F`.
 * @internal
 */
export function huggingFaceUrl(location: string, endpoint?: string): string {
  const [owner, repo, ...path] = location.slice('hf:'.length).split('/')
  const [name, revision = 'main', ...more] = (repo ?? '').split('@')
  if (!owner || !name || !revision || more.length > 0 || path.length === 0 || path.includes('')) {
    throw new ArgumentError(
      'INPUT_HF',
      `${location} should have the form hf:owner/repo/path/file.gguf or hf:owner/repo@revision/path/file.gguf.`,
      location,
    )
  }
  const file = { id: `${owner}/${name}`, revision: revision.replaceAll('%2F', '/'), path: path.join('/') }
  return hubUrl(file, endpoint)
}
