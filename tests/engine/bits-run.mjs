/**
 * Hashes of logits. On stdin a list of cases `{ path, tokens, options }` as JSON: a model, how many tokens, options of
 * load. On stdout the SHA-256 of each case's logits, [tokens, vocabulary] f32.
 *
 *     node tests/engine/bits-run.mjs <cases.json
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { load } from 'cria'

const hashes = []
for (const { path, tokens, options } of JSON.parse(readFileSync(0, 'utf8'))) {
  const model = await load(path, options)
  const ids = Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % model.info.vocabularySize)
  const { data } = await model.logits(ids)
  hashes.push(createHash('sha256').update(data).digest('hex'))
  await model.close()
}
process.stdout.write(JSON.stringify(hashes))
