/** A download that is stopped, goes on, and is loaded twice: what store.test.ts compares, as one line of JSON. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { load } from '../../dist/index.js'
import { models } from '../../dist/store.js'

const MODEL = readFileSync('models/stories260K.gguf')
const LANDED = 200_000
const ranges = []
const server = createServer(({ method, headers: { range } }, response) => {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
  const part = { 'content-range': `bytes ${start}-${MODEL.length - 1}/${MODEL.length}` }
  response.writeHead(start ? 206 : 200, { etag: '"1"', 'content-length': MODEL.length - start, ...(start && part) })
  if (method === 'HEAD') response.end()
  else if (ranges.push(range ?? null) === 1) response.write(MODEL.subarray(0, LANDED))
  else response.end(MODEL.subarray(start))
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${server.address().port}/m.gguf`

const controller = new AbortController()
const onProgress = ({ done }) => {
  if (done >= LANDED) controller.abort()
}
const stopped = await models.get(url, { signal: controller.signal, onProgress }).catch(({ code }) => code)
const partial = (await models.list()).map(({ landed, complete }) => [landed, complete])
const texts = []
for (let i = 0; i < 2; i++) {
  const model = await load(url, { cache: true, threads: 1 })
  texts.push((await model.generate('Once', { maxTokens: 6, temperature: 0 }).result()).text)
  await model.close()
}
await models.get(url, { refresh: true })
const verified = (await models.verify()).map(({ ok }) => ok)
const freed = await models.delete(url)
console.log(JSON.stringify({ stopped, partial, texts, ranges, verified, freed, left: await models.list() }))
server.closeAllConnections?.()
server.close()
process.exit(0)
