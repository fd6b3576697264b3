/** SHA-256 by JavaScript: pages that are not secure have no other. */
import { sha256 } from '@noble/hashes/sha2.js'
import { hex } from '../source/hashed.ts'
import type { CaseResult } from './types.ts'

/** The first 64 bits, of a text's UTF-8 or of bytes, those of floats too: chance does not make two runs alike. */
export function hashOf(data: string | Float32Array | Uint8Array): string {
  const bytes =
    typeof data === 'string'
      ? new TextEncoder().encode(data)
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return hex(sha256(bytes).subarray(0, 8))
}

/** The one hash of a run: over the names and hashes of its cases, in the order of their names. */
export function hashOfCases(cases: readonly CaseResult[]): string {
  const lines = cases.flatMap(({ name, hash }) => (hash === undefined ? [] : [`${name} ${hash}\n`]))
  return hashOf(lines.sort().join(''))
}
