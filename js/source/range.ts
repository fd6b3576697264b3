import { SourceError } from '../errors.ts'

/** Refuses a read that leaves the source. */
export function checkRange(source: { name: string; size: number }, target: Uint8Array, offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + target.length <= source.size) return
  throw new SourceError(
    'SOURCE_RANGE',
    `${target.length} bytes at offset ${offset} were asked of ${source.name}, which has ${source.size}.`,
    offset,
  )
}
