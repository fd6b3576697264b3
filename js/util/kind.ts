/** What objects are, in whatever realm (a frame, a vm's context) or emulation of a browser they were made. */

/** The class that an object says it is of: `URL`, `ArrayBuffer`, `Map` … */
export function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1)
}

export function isUrl(value: unknown): value is URL {
  return kindOf(value) === 'URL'
}

/** A Blob or File; not all emulations say so. */
export function isBlob(value: unknown): value is Blob {
  const { size, slice } = Object(value)
  return typeof size === 'number' && typeof slice === 'function'
}

export function isAbortSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener } = Object(value)
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
}
