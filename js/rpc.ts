/** Errors across comlink: with their class, code and value, which structured cloning loses. */
import { transferHandlers } from 'comlink'
import { deserializeError, type SerializedError, serializeError } from './errors.ts'

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
