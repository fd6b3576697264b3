/**
 * A static server for the pages here, with the two headers that threads need. Prints its address, and serves until stopped.
 *
 *     node examples/browser/serve.mjs [--port 8080] [--no-isolation] [--csp POLICY] [--root FOLDER] [--file /PATH=FILE …]
 *
 * --csp: a Content-Security-Policy. --root: default the folder with cria's package.json. --file: one more file, wherever it lies. Answers Range requests.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    'no-isolation': { type: 'boolean', default: false },
    csp: { type: 'string' },
    root: { type: 'string', default: fileURLToPath(new URL('../../', import.meta.url)) },
    file: { type: 'string', multiple: true, default: [] },
  },
})
const files = new Map(
  values.file.map((file) => {
    const at = file.indexOf('=')
    return [file.slice(0, at), file.slice(at + 1)]
  }),
)

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
}

/** A page with these may share memory between its workers; they and all that it loads need the second, too. */
const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}

const server = createServer(async (request, response) => {
  try {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
    await send(request, response, path.endsWith('/') ? `${path}index.html` : path)
  } catch (error) {
    const status = error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EISDIR' ? 404 : 500
    if (!response.headersSent) response.writeHead(status, { 'content-type': 'text/plain' })
    response.end(`${status}\n`)
  }
})
server.listen(Number(values.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`))

async function send(request, response, path) {
  // The path of a URL has no `..` in it.
  const file = files.get(path) ?? join(resolve(values.root), path)
  const found = await stat(file)
  if (!found.isFile()) throw Object.assign(new Error(file), { code: 'EISDIR' })
  const { start, end, partial } = rangeOf(request.headers.range, found.size)
  response.writeHead(partial ? 206 : 200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-length': end - start,
    'accept-ranges': 'bytes',
    'cache-control': 'no-cache',
    // Pages of other origins may use the files: those that are isolated only if they are told so.
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    ...(partial && { 'content-range': `bytes ${start}-${end - 1}/${found.size}` }),
    ...(!values['no-isolation'] && ISOLATION),
    ...(values.csp && { 'content-security-policy': values.csp }),
  })
  if (request.method === 'HEAD' || end === start) return void response.end()
  const stream = createReadStream(file, { start, end: end - 1 })
  stream.once('error', () => response.destroy())
  response.once('close', () => stream.destroy())
  stream.pipe(response)
}

/** `bytes=first-[last]`; what is not of this form asks for the whole. */
function rangeOf(header, size) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '')
  const start = match ? Number(match[1]) : size
  if (start >= size) return { start: 0, end: size, partial: false }
  const last = match[2] === '' ? size - 1 : Number(match[2])
  return { start, end: Math.min(last + 1, size), partial: true }
}
