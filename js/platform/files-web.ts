/** Where there are no files: browsers and edge runtimes. */
import { SourceError } from '../errors.ts'
import type { Source } from '../source/types.ts'

/** @throws SourceError, always. */
export async function openFile(location: string | URL): Promise<Source> {
  throw new SourceError(
    'FILE_UNSUPPORTED',
    `${String(location)} is a file path, and there are no files to open here: ` +
      'pass an http(s) URL (new URL(path, location.href) for one of this site), a File or Blob, or bytes.',
    String(location),
  )
}
