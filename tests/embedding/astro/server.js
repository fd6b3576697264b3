import express from 'express'
import { handler } from './dist/server/entry.mjs'

const app = express()
app.use((_, response, next) => {
  // What threads need: of pages, and of the scripts of their workers, which the adapter's own server sends without.
  response.set({ 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' })
  next()
})
app.use(express.static('dist/client'))
app.use(handler)
app.listen(Number(process.env.PORT ?? 3000), process.env.HOST)
