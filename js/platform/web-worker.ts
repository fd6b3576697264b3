/**
 * Browsers, with the wasm as files in the package's folder: the part for workers. Bundlers follow each `new Worker`, so one
 * in here would lead them round in a circle.
 */
import { SourceError } from '../errors.ts'
import { inPackage } from './prebundled.ts'

export * from './web-common.ts'

// Addresses relative to the code in dist/chunks/, written out one by one: so bundlers find the files.
const WASM: Readonly<Record<string, () => URL>> = {
  simd: () => new URL('../simd.wasm', import.meta.url),
  relaxed: () => new URL('../relaxed.wasm', import.meta.url),
  quantize: () => new URL('../quantize.wasm', import.meta.url),
}

/** They are downloaded. */
export function hasBuilds(): boolean {
  return false
}

/** @throws SourceError where the file cannot be fetched. */
export async function wasm(name: string): Promise<Uint8Array<ArrayBuffer>> {
  // Turbopack's are relative to the site.
  const url = inPackage(WASM[name]!())
  let status: string
  try {
    const response = await fetch(url)
    if (response.ok) return new Uint8Array(await response.arrayBuffer())
    status = `HTTP status ${response.status}`
  } catch (cause) {
    status = String(cause)
  }
  const message =
    `${url} cannot be fetched (${status}); serve the package's folder dist/ with all that is in it, and let ` +
    "connect-src of a Content-Security-Policy have 'self'."
  throw new SourceError('WASM_UNREACHABLE', message, String(url))
}
