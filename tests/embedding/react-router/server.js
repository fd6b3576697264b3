import { createRequestHandler } from '@react-router/express'
import express from 'express'
import * as build from './build/server/index.js'

const app = express()
app.use((_, response, next) => {
  // What threads need: of pages, and of the scripts of their workers, which react-router-serve sends without.
  response.set({ 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' })
  next()
})
app.use(express.static('build/client'))
app.use(createRequestHandler({ build }))
app.listen(Number(process.env.PORT ?? 3000), process.env.HOST)
