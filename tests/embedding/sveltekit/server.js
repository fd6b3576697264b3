import { createServer } from 'node:http'
import { handler } from './build/handler.js'

const server = createServer((request, response) => {
  // What threads need: of pages, and of the scripts of their workers, which the adapter's own server sends without.
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
  response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
  handler(request, response)
})
server.listen(Number(process.env.PORT ?? 3000), process.env.HOST)
