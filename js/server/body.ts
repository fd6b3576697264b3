/** Bodies of requests: their bytes, within a limit, as JSON that fits an endpoint. */
import { ApiError, badRequest } from './errors.ts'
import { check, type FieldRule, type Problem } from './rules.ts'

/**
 * @throws ApiError 413 beyond `limit` bytes, 400 for what is no JSON or does not fit, with the field's name; the signal's
 * reason once it fires
 */
export async function readBody<T>(
  request: Request,
  schema: FieldRule<T>,
  limit: number,
  signal: AbortSignal,
): Promise<T> {
  const bytes = await readBytes(request, limit, signal)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw badRequest('body', 'The body must be JSON in UTF-8; it has bytes that are no UTF-8.')
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw badRequest('body', `The body must be a JSON object: ${(error as Error).message}.`)
  }
  const result = check(schema, json)
  if ('value' in result) return result.value
  const { path, message, kind, value } = result.problem
  const where = path || (kind === 'unknown' ? 'A field without a name' : 'The body')
  throw badRequest(path || 'body', `${where} ${message}.`, value, CODES[kind])
}

/** As OpenAI calls them. */
const CODES: Record<Problem['kind'], string> = {
  unsupported: 'unsupported_parameter',
  unknown: 'unknown_parameter',
  invalid: 'invalid_value',
  missing: 'missing_required_parameter',
}

async function readBytes(request: Request, limit: number, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted()
  const tooLarge = (): ApiError =>
    new ApiError(413, 'body_too_large', `The body must have at most ${limit} bytes.`, 'body', limit)
  if (Number(request.headers.get('content-length')) > limit) throw tooLarge()
  if (!request.body) return new Uint8Array()
  const reader = (request.body as ReadableStream<Uint8Array>).getReader()
  const cancel = (): void => void reader.cancel().catch(() => {})
  // Ends the reading that waits.
  signal.addEventListener('abort', cancel, { once: true })
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new ApiError(499, 'client_gone', 'The client left before it had sent its body.')
    })
    signal.throwIfAborted()
    if (done) break
    length += value.length
    if (length > limit) {
      cancel()
      throw tooLarge()
    }
    chunks.push(value)
  }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}
