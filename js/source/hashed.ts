/** Checks a source's SHA-256 while its bytes pass by. */
import { sha256 as ours } from '@noble/hashes/sha2.js'
import { ArgumentError, SourceError } from '../errors.ts'
import { checkRange } from '../util/check.ts'
import { Queue } from '../util/concurrency.ts'
import type { Sha256, Source } from './types.ts'

const PIECE = 256 * 1024

/** @throws ArgumentError for what is no SHA-256 in hexadecimal. */
export function checkSha256(sha256: unknown): asserts sha256 is string {
  if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256)) return
  throw new ArgumentError('SHA256', 'sha256 must be a string of 64 hexadecimal digits.', sha256)
}

/**
 * The same bytes, hashed in file order as reads pass them, while the next ones are under way. A read that jumps forward
 * first reads and hashes what it skips; a read of bytes already hashed costs nothing extra. `finish` reads on to the end
 * and compares.
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
  #hash: Sha256 | undefined
  readonly #queue = new Queue()
  /** All bytes before this one are hashed; those before #asked are, or will be, by reads that were asked for. */
  #position = 0
  #asked = 0
  /** Reads that jump forward and are not done: those asked for after one keep behind it. */
  #jumps = 0
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

  async read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    checkRange(this, target, offset)
    const end = offset + target.length
    const jumps = offset > this.#asked || this.#jumps > 0
    this.#asked = Math.max(this.#asked, end)
    const reading = jumps ? undefined : this.#source.read(target, offset, signal)
    reading?.catch(() => {})
    if (jumps) this.#jumps++
    const done = this.#queue.run(async () => {
      await reading
      await this.#advance(offset, signal)
      if (jumps) await this.#source.read(target, offset, signal)
      const fresh = end - this.#position
      if (fresh > 0) await this.#update(target.subarray(target.length - fresh))
    })
    try {
      await done
    } finally {
      if (jumps) this.#jumps--
    }
  }

  finish(signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      await this.#advance(this.size, signal)
      this.#digest ??= hex((await this.#hashing()).digest())
      if (this.#digest === this.#expected) return
      throw new SourceError(
        'SHA256_MISMATCH',
        `${this.name} has the SHA-256 ${this.#digest}, not ${this.#expected}: ` +
          'the file is damaged or is another one; download it again or correct sha256.',
        this.#digest,
      )
    })
  }

  async pause(): Promise<void> {
    await this.#queue.run(async () => this.#source.pause?.())
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
      await this.#update(part)
    }
  }

  async #update(bytes: Uint8Array): Promise<void> {
    const hash = await this.#hashing()
    hash.update(bytes)
    this.#position += bytes.length
  }

  async #hashing(): Promise<Sha256> {
    this.#hash ??= (await this.#source.sha256?.()) ?? ours.create()
    return this.#hash
  }
}

/** Bytes as hexadecimal digits, two each, with a text before each byte's. */
export function hex(bytes: Uint8Array, before = ''): string {
  return Array.from(bytes, (byte) => before + byte.toString(16).padStart(2, '0')).join('')
}
