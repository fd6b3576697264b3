/** Who may ask: pages of origins that are allowed, whoever has a key. */
import { ApiError } from './errors.ts'

/** @throws ApiError 403: any page can send requests to a server on its reader's machine, if it cannot read the answers */
export function checkOrigin(request: Request, allowed: readonly string[]): void {
  const origin = request.headers.get('origin')
  if (origin === null || isAllowed(origin, allowed) || sameHost(origin, request.url)) return
  throw new ApiError(403, 'origin_not_allowed', `Pages of ${origin} may not use this server.`, null, origin)
}

/** `allowed`: origins, `*` for all, and `localhost` for those of this machine, whatever their port. */
export function isAllowed(origin: string, allowed: readonly string[]): boolean {
  if (allowed.includes('*') || allowed.includes(origin)) return true
  return allowed.includes('localhost') && URL.canParse(origin) && LOOPBACK.test(new URL(origin).hostname)
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/

function sameHost(origin: string, url: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === new URL(url).host
}

/** @throws ApiError 401 */
export function checkKey({ headers }: Request, keys: readonly string[]): void {
  const bearer = /^Bearer +(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  const given = bearer ?? headers.get('x-api-key') ?? ''
  if (keys.filter((key) => same(given, key)).length > 0) return
  const message = 'The API key is missing or wrong: send it as Authorization: Bearer KEY.'
  throw new ApiError(401, 'invalid_api_key', message, null, undefined)
}

/** Takes the same time for every wrong key of a length. */
function same(given: string, key: string): boolean {
  let difference = given.length ^ key.length
  for (let i = 0; i < given.length; i++) difference |= given.charCodeAt(i) ^ key.charCodeAt(i)
  return difference === 0
}
