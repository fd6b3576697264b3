/** DRY, XTC, Mirostat and adaptive-p against what llama.cpp's do: tests/fixtures/samplers.jsonl, by sampler-vectors.cpp there. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadTokenizer } from '../../js/index.ts'
import { Candidates } from '../../js/sampler/candidates.ts'
import { runChain } from '../../js/sampler/chain.ts'
import { findBreakers } from '../../js/sampler/dry.ts'
import { AdaptiveP, Mirostat } from '../../js/sampler/feedback.ts'
import type { ChainStep, FeedbackStep } from '../../js/sampler/types.ts'
import { shared, sharedTest } from '../shared.ts'

interface Left {
  logits: number[]
  ids: number[]
  left: number[]
}
type Vector =
  | (Extract<ChainStep, { type: 'dry' }> & Left & { history: number[]; breakers: number[][] })
  | (Extract<ChainStep, { type: 'xtc' }> & Left)
  | (FeedbackStep & { steps: (Left & { drawn: number; state: number })[] })
  | { type: 'breakers'; vocabulary: string; texts: string[]; tokens: number; hash: number }

const VECTORS: Vector[] = readFileSync('tests/fixtures/samplers.jsonl', 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line))

function of<T extends Vector['type']>(type: T): Extract<Vector, { type: T }>[] {
  const found = VECTORS.filter((one): one is Extract<Vector, { type: T }> => one.type === type)
  assert.ok(found.length > 0, type)
  return found
}

function loaded(logits: number[]): Candidates {
  const candidates = new Candidates(logits.length)
  candidates.load(Float32Array.from(logits))
  return candidates
}

/** @param most by how much a logit may differ, in float32's last places */
function checkLeft(c: Candidates, { ids, left }: Left, what: string, most = 0): void {
  assert.equal([...c.ids.subarray(0, c.size)], ids, what)
  for (const [i, logit] of left.entries()) {
    const off = Math.abs(c.logits[i]! - Math.fround(logit))
    assert.ok(off <= most * Math.abs(logit) * 2 ** -23, `${what}: token ${ids[i]} has ${c.logits[i]}, not ${logit}`)
  }
}

test('DRY takes off what llama.cpp takes off', () => {
  for (const vector of of('dry')) {
    const { logits, history, breakers, ...rest } = vector
    const heads = new Map<number, number[][]>()
    for (const [head, ...tail] of breakers) heads.set(head!, [...(heads.get(head!) ?? []), tail])
    const c = loaded(logits)
    runChain(c, [rest], { counts: () => new Map(), tokens: history, breakers: heads, chance: 0 })
    checkLeft(c, vector, JSON.stringify(rest))
  }
})

test('XTC leaves what llama.cpp leaves', () => {
  for (const vector of of('xtc')) {
    const c = loaded(vector.logits)
    runChain(c, [vector], { counts: () => new Map(), tokens: [], breakers: new Map(), chance: 0 })
    // Where llama.cpp cuts nothing it may have sorted nothing.
    if (vector.ids.length < vector.logits.length) checkLeft(c, vector, `threshold ${vector.threshold}`)
    else assert.is(c.size, vector.ids.length)
  }
})

test('Mirostat cuts where llama.cpp cuts, and learns as much from each draw', () => {
  for (const { steps, ...step } of of('mirostat')) {
    const mirostat = new Mirostat(step, steps[0]!.logits.length)
    for (const [i, one] of steps.entries()) {
      const c = loaded(one.logits)
      mirostat.apply(c)
      const what = `${JSON.stringify(step)} ${i}`
      checkLeft(c, one, what)
      mirostat.drawn(c, c.indexOf(one.drawn))
      assert.ok(Math.abs(mirostat.mu - one.state) < 1e-5, `${what}: mu is ${mirostat.mu}, not ${one.state}`)
    }
  }
})

test('adaptive-p makes the logits that llama.cpp makes, and the same average', () => {
  for (const { steps, ...step } of of('adaptive_p')) {
    const adaptive = new AdaptiveP(step)
    for (const [i, one] of steps.entries()) {
      const c = loaded(one.logits)
      adaptive.apply(c)
      const what = `${JSON.stringify(step)} ${i}`
      checkLeft(c, one, what, 4)
      adaptive.drawn(c, c.indexOf(one.drawn))
      const average = adaptive.sum / adaptive.weight
      assert.ok(Math.abs(average - one.state) < 1e-6, `${what}: the average is ${average}, not ${one.state}`)
    }
  }
})

const FILES: Record<string, string> = { stories: 'models/stories260K.gguf' }

sharedTest('the tokens of breakers are those that llama.cpp finds', async () => {
  for (const { vocabulary, texts, tokens, hash } of of('breakers')) {
    const file = FILES[vocabulary] ?? shared('vectors', 'tokenizers', `${vocabulary}.gguf`)
    const found = findBreakers(texts, await loadTokenizer(file))
    const what = `${vocabulary} ${JSON.stringify(texts)}`
    assert.is(found.size, tokens, what)
    const order = (a: readonly number[], b: readonly number[]): number =>
      a.map((id, i) => id - (b[i] ?? -1)).find((off) => off !== 0) ?? a.length - b.length
    const lines = [...found]
      .sort(([a], [b]) => a - b)
      .flatMap(([head, tails]) => {
        const sorted = new Set([...tails].sort(order).map((tail) => `${[head, ...tail].join(' ')}\n`))
        return [...sorted]
      })
    let fnv = 2166136261
    for (const byte of new TextEncoder().encode(lines.join(''))) fnv = Math.imul(fnv ^ byte, 16777619) >>> 0
    assert.is(fnv, hash, what)
  }
})

test.run()
