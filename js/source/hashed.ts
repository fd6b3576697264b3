/** Checks a source's SHA-256 while its bytes pass by. */
import { sha256 as createSha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { ArgumentError, SourceError } from '../errors.ts'
import { Queue } from './async.ts'
import { checkRange } from './range.ts'
import type { Source } from './source.ts'

const PIECE = 256 * 1024

/** @throws ArgumentError for what is no SHA-256 in hexadecimal. */
export function checkSha256(sha256: string): void {
  if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256)) return
  throw new ArgumentError('SHA256', 'sha256 must be a string of 64 hexadecimal digits.', sha256)
}

/**
 * The same bytes, hashed in file order as reads pass them. A read that jumps forward first reads and hashes what it
 * skips; a read of bytes already hashed costs nothing extra. `finish` reads on to the end and compares.
 *
 *     ├── hashed ──┼── the next read's gap, if any ──┼── its target ──┼── left to `finish` ──┤
 */
export function hashed(source: Source, sha256: string): Source & Required<Pick<Source, 'finish'>> {
  checkSha256(sha256)
  return new HashedSource(source, sha256.toLowerCase())
}

class HashedSource implements Source {
  readonly #source: Source
  readonly #expected: string
  readonly #hash = createSha256.create()
  readonly #queue = new Queue()
  #position = 0
  #digest: string | undefined

  constructor(source: Source, expected: string) {
    this.#source = source
    this.#expected = expected
  }

  get name(): string {
    return this.#source.name
  }

  get size(): number {
    return this.#source.size
  }

  read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      checkRange(this, target, offset)
      await this.#advance(offset, signal)
      await this.#source.read(target, offset, signal)
      const fresh = offset + target.length - this.#position
      if (fresh > 0) this.#update(target.subarray(target.length - fresh))
    })
  }

  finish(signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      await this.#advance(this.size, signal)
      this.#digest ??= bytesToHex(this.#hash.digest())
      if (this.#digest === this.#expected) return
      throw new SourceError(
        'SHA256_MISMATCH',
        `${this.name} has the SHA-256 ${this.#digest}, not ${this.#expected}: ` +
          'the file is damaged or is another one; download it again or correct sha256.',
        this.#digest,
      )
    })
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  /** Reads and hashes up to an offset. */
  async #advance(offset: number, signal: AbortSignal | undefined): Promise<void> {
    if (offset <= this.#position) return
    const piece = new Uint8Array(Math.min(PIECE, offset - this.#position))
    while (this.#position < offset) {
      const part = piece.subarray(0, Math.min(piece.length, offset - this.#position))
      await this.#source.read(part, this.#position, signal)
      this.#update(part)
    }
  }

  #update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.#position += bytes.length
  }
}
