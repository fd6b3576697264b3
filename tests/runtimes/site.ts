/** A server of the repository's files for pages, which says what is asked for and can go away. */
import { createReadStream, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

export interface Site {
  /** With a slash at the end. */
  url: string
  /** Of each request for a model: its path and Range. */
  asked: { path: string; range: string | undefined }[]
  /** Of the next answer for a model: the bytes after which the server goes away. */
  leave: number | undefined
  /** Brings it back: an address of another server's. */
  back: string
  close(): void
}

/**
 * Files of the repository; `/with/HEADERS/` before a path, encoded JSON, adds headers to the answer, and `/without/cors/`
 * takes those away that pages of other sites need.
 */
export async function startSite(): Promise<Site> {
  let server: Server
  const helper = createServer(async (_, response) => {
    await listen(Number(new URL(site.url).port))
    response.writeHead(200, { 'access-control-allow-origin': '*' }).end()
  })
  const close = (): void => {
    end(server)
    end(helper)
  }
  const site: Site = { url: '', asked: [], leave: undefined, back: await address(helper), close }
  const listen = async (port: number): Promise<void> => {
    server = createServer((request, response) => answer(request, response))
    site.url = await address(server, port)
  }
  const answer = ({ url, headers: { range } }: IncomingMessage, response: ServerResponse): void => {
    const { pathname } = new URL(url!, site.url)
    const [, extra = '{}', path = pathname] = /^\/with\/([^/]+)(.*)$/.exec(pathname) ?? []
    const headers = {
      ...(!path.startsWith('/without/cors/') && { 'access-control-allow-origin': '*' }),
      ...JSON.parse(decodeURIComponent(extra)),
    }
    const file = join('.', decodeURIComponent(path.replace('/without/cors', '')))
    if (file.endsWith('.gguf')) site.asked.push({ path: path, range })
    const size = statSync(file, { throwIfNoEntry: false })?.size
    if (size === undefined) return void response.writeHead(404, headers).end()
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    response.writeHead(range ? 206 : 200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-length': size - from,
      'accept-ranges': 'bytes',
      'cache-control': 'no-store',
      'service-worker-allowed': '/',
      ...(range && { 'content-range': `bytes ${from}-${size - 1}/${size}` }),
      ...headers,
    })
    const { leave } = site
    if (!leave || !file.endsWith('.gguf')) return void createReadStream(file, { start: from }).pipe(response)
    site.leave = undefined
    const part = createReadStream(file, { start: from, end: from + leave - 1 })
    part.on('end', () => setTimeout(() => end(server), 100))
    part.pipe(response, { end: false })
  }
  await listen(0)
  return site
}

/** Where a server listens, with a slash at the end. */
async function address(server: Server, port = 0): Promise<string> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function end(server: Server): void {
  server.close()
  server.closeAllConnections()
}
