/** JSON whose shape nobody vouches for. */

export type Json = Readonly<Record<string, unknown>>

/** The value, if it is an object and no array. */
export function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

/** The value's objects, if it is an array. */
export function asObjects(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(asObject).filter((item) => item !== undefined) : []
}
