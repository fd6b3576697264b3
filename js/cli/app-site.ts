/** The chat app as files: which there are, by their addresses, and what a server says with them. */
import { readFile, stat } from 'node:fs/promises'

/** Written by the build; the bundle is dist/cli.js. */
const LIST = new URL('./app/files.json', import.meta.url)
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json',
  webmanifest: 'application/manifest+json',
  svg: 'image/svg+xml',
  png: 'image/png',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
}
/** A page with these may share memory between its workers. */
const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
}

export interface AppSite {
  /** The Content-Security-Policy of the page. */
  policy: string
  /** Address, without a slash before it → file. */
  files: ReadonlyMap<string, URL>
}

/** `list`: the file that names the others. */
export async function appSite(list = LIST): Promise<AppSite> {
  const { policy, files } = JSON.parse(await readFile(list, 'utf8')) as {
    policy: string
    files: Record<string, string>
  }
  const dist = new URL('..', list)
  return { policy, files: new Map(Object.entries(files).map(([address, path]) => [address, new URL(path, dist)])) }
}

/**
 * Answers requests for the app's files; undefined: it is for others.
 *
 * @param chats whether the server's model has a chat template: the page asks the server instead of a model of its own
 */
export function appHandler(
  { policy, files }: AppSite,
  chats: boolean,
): (request: Request) => Promise<Response | undefined> {
  return async ({ method, url, headers }) => {
    const address = new URL(url).pathname.slice(1) || 'index.html'
    const file = files.get(address)
    if (!file || (method !== 'GET' && method !== 'HEAD')) return undefined
    const { size, mtimeMs } = await stat(file)
    const etag = `"${size.toString(36)}-${Math.floor(mtimeMs).toString(36)}-${Number(chats)}"`
    const page = address === 'index.html'
    const said = {
      ...ISOLATION,
      etag,
      'content-type': TYPES[address.slice(address.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      ...(page && {
        'content-security-policy': `${policy}; frame-ancestors 'none'`,
        'referrer-policy': 'no-referrer',
      }),
    }
    if (headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers: said })
    if (method === 'HEAD') return new Response(null, { headers: said })
    const content = await readFile(file)
    return new Response(page ? withServer(content.toString(), chats) : new Uint8Array(content), { headers: said })
  }
}

const MARK = '<meta name="cria-server" content="">'

function withServer(page: string, chats: boolean): string {
  return page.replace(MARK, MARK.replace('""', chats ? '"chat"' : '"text"'))
}
