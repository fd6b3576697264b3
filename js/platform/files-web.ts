/** Where there are no files: on pages a path is relative to the page, as for `fetch`; on edge runtimes to nothing. */
import { SourceError } from '../errors.ts'

export function locate(path: string): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href ?? ''
  // A letter and a colon begin a path of Windows.
  const relative = /^(https?|[a-z-]+-extension):/.test(base) && /^(?![a-z][a-z0-9+.-]*:)./i.test(path)
  return relative ? new URL(path, base).href : path
}

/** @throws SourceError where the page has no site, or for what is no path */
export async function openFile(location: string | URL): Promise<string> {
  const path = String(location)
  const url = locate(path)
  if (url !== path) return url
  const message = `${path} is no address of this page's: pass an http(s) URL, a File or Blob, or bytes.`
  throw new SourceError('FILE_UNSUPPORTED', message, path)
}
