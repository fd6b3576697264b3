/**
 * Reads a header front to back through a window of the file.
 *
 *     file    ├── consumed ──┼──── window ────┼── not read yet ──┤
 *                        position          position + available
 *
 * Fields are decoded synchronously while they lie in the window; `need(n)` refills it when they do not. Nothing is
 * allocated for bytes that the file does not have.
 */
import { FormatError, throwIfAborted } from '../errors.ts'
import type { Source } from '../source/types.ts'

const WINDOW = 256 * 1024
/** Strings up to this many bytes are decoded here: for them a TextDecoder costs more in the call than in the work. */
const SHORT = 32
/** Far above any real string, and short enough for every engine. */
const MAX_STRING = 1 << 26

export class Cursor {
  /** What is being read, for errors: `the header`, `metadata key llama.block_count` … */
  section = 'the header'
  /** How many objects the header has claimed so far. */
  objects = 0
  readonly #source: Source
  readonly #signal: AbortSignal | undefined
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #bytes = new Uint8Array(0)
  #view = new DataView(this.#bytes.buffer)
  /** The window's filled part is #bytes[#at, #end). */
  #at = 0
  #end = 0
  /** File offset of #bytes[0]. */
  #base = 0

  constructor(source: Source, signal?: AbortSignal) {
    this.#source = source
    this.#signal = signal
  }

  /** Offset in the file of the next byte. */
  get position(): number {
    return this.#base + this.#at
  }

  /** Bytes from here to the end of the file. */
  get rest(): number {
    return this.#source.size - this.position
  }

  /** Whether the next `count` bytes are in the window. */
  has(count: number): boolean {
    return this.#end - this.#at >= count
  }

  /**
   * Brings the next `count` bytes into the window.
   * @throws FormatError GGUF_TRUNCATED where the file ends before them.
   */
  async need(count: number): Promise<void> {
    if (this.has(count)) return
    if (count > this.rest) throw this.truncated(count)
    throwIfAborted(this.#signal, 'Reading the GGUF header')
    const kept = this.#bytes.subarray(this.#at, this.#end)
    const window = Math.max(WINDOW, count)
    if (window > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.min(window, this.rest))
      this.#view = new DataView(this.#bytes.buffer)
      this.#bytes.set(kept)
    } else this.#bytes.copyWithin(0, this.#at, this.#end)
    this.#base += this.#at
    this.#at = 0
    this.#end = kept.length
    const fill = Math.min(this.#bytes.length, this.rest)
    await this.#source.read(this.#bytes.subarray(kept.length, fill), this.#base + kept.length, this.#signal)
    this.#end = fill
  }

  /** The error for `count` bytes that are not there. */
  truncated(count: number, what = this.section): FormatError {
    return truncated(this.#source.name, what, count, this.rest)
  }

  /** The next value, from the window; call `need` first. */
  uint32(): number {
    this.#at += 4
    return this.#view.getUint32(this.#at - 4, true)
  }

  /** A u64 as a number, from the window: Infinity where it is no safe integer. */
  uint64(): number {
    const low = this.uint32()
    const high = this.uint32()
    return high < 0x200000 ? high * 4294967296 + low : Infinity
  }

  /** A view of the next `count` bytes of the window, valid until the next `need`. */
  take(count: number): DataView {
    this.#at += count
    return new DataView(this.#bytes.buffer, this.#at - count, count)
  }

  /** Copies the next bytes of the file, as many as `target` takes, around the window. */
  async copy(target: Uint8Array): Promise<void> {
    if (target.length > this.rest) throw this.truncated(target.length)
    const inWindow = Math.min(target.length, this.#end - this.#at)
    target.set(this.#bytes.subarray(this.#at, this.#at + inWindow))
    const position = this.position + target.length
    if (inWindow < target.length) {
      await this.#source.read(target.subarray(inWindow), this.position + inWindow, this.#signal)
      this.#base = position
      this.#at = this.#end = 0
    } else this.#at += inWindow
  }

  /** A string: u64 length and that many bytes of UTF-8. */
  async string(): Promise<string> {
    return (await this.strings(1))[0]!
  }

  /** Strings, one after the other. */
  async strings(count: number): Promise<string[]> {
    const strings: string[] = []
    for (;;) {
      this.#takeStrings(strings, count)
      if (strings.length === count) return strings
      await this.#needString()
    }
  }

  /** Appends the strings that are wholly in the window until there are `count`. */
  #takeStrings(strings: string[], count: number): void {
    const bytes = this.#bytes
    const limit = this.#end
    while (strings.length < count && limit - this.#at >= 8) {
      const start = this.#at + 8
      const length = this.#stringLength()
      if (length > limit - start) return
      const end = start + length
      strings.push((length <= SHORT ? decodeShort(bytes, start, end) : undefined) ?? this.#decode(start, end))
      this.#at = end
    }
  }

  /** Brings the next string into the window. */
  async #needString(): Promise<void> {
    await this.need(8)
    const length = this.#stringLength()
    if (8 + length > this.rest) throw this.truncated(8 + length, `a string in ${this.section}`)
    if (length > MAX_STRING) {
      throw new FormatError(
        'GGUF_STRING',
        `A string in ${this.section} claims ${length} bytes; more than ${MAX_STRING} are not believed: ` +
          'the file is damaged.',
        length,
      )
    }
    await this.need(8 + length)
  }

  #stringLength(): number {
    const low = this.#view.getUint32(this.#at, true)
    const high = this.#view.getUint32(this.#at + 4, true)
    return high * 4294967296 + low
  }

  #decode(start: number, end: number): string {
    return this.#decoder.decode(this.#bytes.subarray(start, end))
  }
}

const units: number[] = new Array(SHORT).fill(0)

/** Decodes code points below U+0800, one or two bytes each; undefined if there is anything else. */
function decodeShort(bytes: Uint8Array, start: number, end: number): string | undefined {
  let length = 0
  for (let i = start; i < end; i++) {
    const lead = bytes[i]!
    if (lead < 0x80) units[length++] = lead
    else if (lead >= 0xc2 && lead < 0xe0 && i + 1 < end && (bytes[i + 1]! & 0xc0) === 0x80) {
      units[length++] = ((lead & 0x1f) << 6) | (bytes[++i]! & 0x3f)
    } else return undefined
  }
  return fromUnits(units, length)
}

/** A string of the first code units, made with few calls and no intermediate array: 8, 4, 2, 1 at a time. */
function fromUnits(u: readonly number[], length: number): string {
  const make = String.fromCharCode
  let text = ''
  let i = 0
  for (; i + 8 <= length; i += 8) {
    text += make(u[i]!, u[i + 1]!, u[i + 2]!, u[i + 3]!, u[i + 4]!, u[i + 5]!, u[i + 6]!, u[i + 7]!)
  }
  if (i + 4 <= length) {
    text += make(u[i]!, u[i + 1]!, u[i + 2]!, u[i + 3]!)
    i += 4
  }
  if (i + 2 <= length) {
    text += make(u[i]!, u[i + 1]!)
    i += 2
  }
  return i < length ? text + make(u[i]!) : text
}

/** The error for a file that ends too early; `value` holds the section and the bytes needed and available. */
export function truncated(file: string, section: string, needed: number, available: number): FormatError {
  return new FormatError(
    'GGUF_TRUNCATED',
    `${file} ends early: ${section} needs ${Number.isFinite(needed) ? needed : 'more than 2^53'} bytes, ` +
      `and ${available} are left. ` +
      'The file was cut short or is damaged: download or convert it again.',
    { section, needed, available },
  )
}
