/**
 * What crosses comlink in another form: errors, with their class, code and value, which structured cloning loses, and a
 * vocabulary, whose strings would hold up whoever gets them.
 */
import { transferHandlers } from 'comlink'
import { deserializeError, type SerializedError, serializeError } from '../js/errors.ts'
import type { Metadata, MetadataValue } from '../js/gguf/types.ts'

/** Replaces comlink's way of throwing, on both sides. */
export function carryErrors(): void {
  const plain = transferHandlers.get('throw')!
  transferHandlers.set('throw', {
    canHandle: plain.canHandle,
    serialize: (thrown: unknown) => [serializeError((thrown as { value: unknown }).value), []],
    deserialize: (data: unknown) => {
      throw deserializeError(data as SerializedError)
    },
  })
}

/**
 * Before each string of a list that crosses as one. No text that was read as UTF-8 has two halves of characters in a row
 * that are both a first half; one alone begins all from U+10000 on.
 */
const MARK = '\ud800\ud800'

/** Metadata as they cross, for {@link Unpacked}: the 400,000 strings of Llama 3 would be a long task for who gets them. */
export function pack(metadata: Metadata): Metadata {
  const strings = (value: MetadataValue): boolean => Array.isArray(value) && typeof value[0] === 'string'
  return new Map(
    Array.from(metadata, ([key, value]) => [key, strings(value) ? MARK + (value as string[]).join(MARK) : value]),
  )
}

/** Metadata that crossed, for `get` alone: a list is one again when it is asked for. */
export class Unpacked extends Map<string, MetadataValue> {
  override get(key: string): MetadataValue | undefined {
    const value = super.get(key)
    if (typeof value !== 'string' || !value.startsWith(MARK)) return value
    const list = value.slice(MARK.length).split(MARK)
    this.set(key, list)
    return list
  }
}
