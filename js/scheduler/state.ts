/**
 * A sequence as bytes: its tokens, and the keys and values of its full pages. The tokens of a last page that is not full
 * are computed again where they are loaded; by the first contract (docs/ARCHITECTURE.md) that gives the same bits.
 *
 *     magic 8 │ version u32 │ tokens u32 │ pages u32 │ bytes of a page u32 │ model 32 │ tokens i32[] │ pages │ SHA-256 32
 *
 * Numbers are little-endian. `model` is the SHA-256 of what the keys and values depend on.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { PAGE } from '../../assembly/layout.ts'
import type { Breathe, Engine } from '../engine/engine.ts'
import { ArgumentError, FormatError, UnsupportedError } from '../errors.ts'

const MAGIC = 'cria-seq'
const VERSION = 1
const HEADER = 56
const DIGEST = 32
/** Bytes that are hashed before others have their turn: a few milliseconds. */
const PIECE = 1 << 20

export interface SavedState {
  ids: number[]
  pages: Uint8Array[]
}

/** `pages`: those of the cache that hold the tokens, in order. What is at the end is still to be signed. */
export function writeState(
  engine: Engine,
  ids: readonly number[],
  pages: readonly { index: number }[],
): Uint8Array<ArrayBuffer> {
  const full = Math.floor(ids.length / PAGE)
  const { pageBytes } = engine
  const bytes = new Uint8Array(HEADER + ids.length * 4 + full * pageBytes + DIGEST)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i)
  for (const [i, value] of [VERSION, ids.length, full, pageBytes].entries()) view.setUint32(8 + 4 * i, value, true)
  bytes.set(engine.fingerprint(), 24)
  for (const [i, id] of ids.entries()) view.setInt32(HEADER + 4 * i, id, true)
  let at = HEADER + ids.length * 4
  for (let page = 0; page < full; page++, at += pageBytes) {
    engine.readPage(pages[page]!.index, bytes.subarray(at, at + pageBytes))
  }
  return bytes
}

/** Puts the checksum of what is before it at the end of a state. */
export async function signState(bytes: Uint8Array, breathe: Breathe): Promise<void> {
  bytes.set(await digestOf(bytes.subarray(0, -DIGEST), breathe), bytes.length - DIGEST)
}

/** SHA-256, as others have their turns. */
export async function digestOf(bytes: Uint8Array, breathe: Breathe): Promise<Uint8Array> {
  const hash = sha256.create()
  for (let at = 0; at < bytes.length; at += PIECE) {
    hash.update(bytes.subarray(at, at + PIECE))
    await breathe()
  }
  return hash.digest()
}

/**
 * @throws FormatError STATE_DAMAGED; UnsupportedError STATE_VERSION; ArgumentError STATE_MODEL where it is of another model
 *   or another type of cache
 */
export async function readState(engine: Engine, bytes: Uint8Array, breathe: Breathe): Promise<SavedState> {
  const damaged = (what: string): FormatError =>
    new FormatError('STATE_DAMAGED', `This is no saved state, or a damaged one: ${what}.`, bytes.length)
  if (bytes.length < HEADER + DIGEST) throw damaged('it is too short')
  if (String.fromCharCode(...bytes.subarray(0, 8)) !== MAGIC) throw damaged(`it does not begin with ${MAGIC}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [version, tokens, full, pageBytes] = [0, 1, 2, 3].map((i) => view.getUint32(8 + 4 * i, true)) as [
    number,
    number,
    number,
    number,
  ]
  if (version !== VERSION) {
    const message = `The state has version ${version}; this cria reads version ${VERSION}. Save it again.`
    throw new UnsupportedError('STATE_VERSION', message, version)
  }
  if (!same(engine.fingerprint(), bytes.subarray(24, 56))) {
    const message = 'The state is of another model, or of another type of KV cache; load that model as it was then.'
    throw new ArgumentError('STATE_MODEL', message)
  }
  const end = HEADER + tokens * 4 + full * pageBytes
  if (full !== Math.floor(tokens / PAGE) || pageBytes !== engine.pageBytes || bytes.length !== end + DIGEST) {
    throw damaged('its sizes contradict each other')
  }
  if (!same(await digestOf(bytes.subarray(0, end), breathe), bytes.subarray(end)))
    throw damaged('its checksum is wrong')
  const ids = Array.from({ length: tokens }, (_, i) => view.getInt32(HEADER + 4 * i, true))
  const first = HEADER + tokens * 4
  const pages = Array.from({ length: full }, (_, i) =>
    bytes.subarray(first + i * pageBytes, first + (i + 1) * pageBytes),
  )
  return { ids, pages }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
