/** What the answer to a request for a file says: its size, which of its bytes it has, which version. */

export interface BodyReader {
  read(): Promise<ReadableStreamReadResult<Uint8Array>>
  cancel?(): Promise<void>
}

/** Of a response that has a body: perhaps a stream of Node's, which a caller's own `fetch` may give. */
export function bodyReader({ body }: Response): BodyReader {
  if (body?.getReader) return body.getReader()
  const chunks = (body as unknown as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  return { read: () => chunks.next() as Promise<ReadableStreamReadResult<Uint8Array>> }
}

/** Bytes of the whole file, if a response to a request from `offset` on has it. */
export function fileSize(response: Response, offset: number): number | undefined {
  if (isEncoded(response)) return undefined
  if (response.status === 206) {
    const range = contentRange(response)
    if (range) return range.total
  }
  const length = response.headers.get('content-length')
  if (length === null || !/^\d+$/.test(length)) return undefined
  return Number(length) + (response.status === 206 ? offset : 0)
}

/** Whether the response says the file's size outright; the length of a part may be the server's choice. */
export function tellsSize(response: Response): boolean {
  return response.status === 200 || contentRange(response) !== undefined
}

/** Content-Range: `bytes first-last/total`, the total perhaps `*` (RFC 9110, 14.4). Browsers may hide the header. */
export function contentRange(
  response: Response,
): { start: number; end: number; total: number | undefined } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(response.headers.get('content-range') ?? '')
  if (!match) return undefined
  return { start: Number(match[1]), end: Number(match[2]) + 1, total: match[3] === '*' ? undefined : Number(match[3]) }
}

/** Of an answer to a request without a Range, only what it says; another site's may hide that. */
export function hasRanges({ status, headers, type }: Response): boolean {
  const ranges = headers.get('accept-ranges')
  return status === 206 || (ranges === null ? type === 'cors' : ranges !== 'none')
}

export function isEncoded(response: Response): boolean {
  const encoding = response.headers.get('content-encoding')
  return encoding !== null && encoding !== '' && encoding.toLowerCase() !== 'identity'
}

/** Compares ETags, or dates where there are none; what one answer lacks is not compared. */
export function sameVersion(before: Headers, after: Headers): boolean {
  for (const name of ['etag', 'last-modified']) {
    const a = before.get(name)
    const b = after.get(name)
    if (a !== null && b !== null) return a.replace(/^W\//, '') === b.replace(/^W\//, '')
  }
  return true
}
