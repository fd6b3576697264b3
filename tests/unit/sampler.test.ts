/** js/sampler against llama.cpp's goldens, and each link's rules on small cases. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArgumentError, NumericError } from '../../js/errors.ts'
import { Candidates } from '../../js/sampler/candidates.ts'
import { findBreakers } from '../../js/sampler/dry.ts'
import { Mirostat } from '../../js/sampler/feedback.ts'
import { type Constraint, Random, randomSeed, Sampler, type SamplerOptions } from '../../js/sampler/sampler.ts'
import type { ChainStep } from '../../js/sampler/types.ts'
import { shared, sharedTest } from '../shared.ts'
import { applyChain } from './apply-chain.ts'

sharedTest('every golden chain leaves the same ids with the same probabilities', () => {
  const lines = readFileSync(shared('goldens', 'samplers.jsonl'), 'utf8').split('\n').filter(Boolean)
  assert.ok(lines.length > 0)
  for (const line of lines) {
    const { logits, last, chain, ids, probs } = JSON.parse(line)
    const result = applyChain(logits, last, chain)
    assert.equal(result.ids, ids, JSON.stringify(chain))
    result.probs.forEach((p, i) => {
      assert.ok(Math.abs(p - probs[i]) < 1e-5, `${JSON.stringify(chain)}: ${p}, golden ${probs[i]}`)
    })
  }
})

const idsOf = (logits: number[], ...steps: ChainStep[]) => applyChain(logits, [], steps).ids
const logOf = (probabilities: number[]) => probabilities.map((p) => Math.log(p))

/** Logits of a large vocabulary with many ties, -0 and 0 among them. */
function manyLogits(n: number, seed: number): Float32Array {
  const random = new Random(seed)
  return Float32Array.from({ length: n }, () => Math.round((random.uniform() - 0.5) * 400) / 16)
}

test('top_k selects what a sort would, lower id first among equals, for any k', () => {
  for (const n of [1, 2, 7, 1000, 5000]) {
    const logits = manyLogits(n, n)
    const sorted = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b)
    for (const k of [1, 2, 3, 40, 256, n - 1, n, n + 1]) {
      // So close to each other that no probability is 0.
      const { ids } = applyChain(logits, [], [{ type: 'top_k', k }])
      assert.equal(ids, sorted.slice(0, k > 0 ? k : n), `k = ${k} of ${n}`)
    }
  }
})

test('top_p keeps the fewest that hold p, whether sorted before or not, however many they are', () => {
  assert.equal(idsOf(logOf([0.1, 0.5, 0.2, 0.2]), { type: 'top_p', p: 0.45 }), [1])
  assert.equal(idsOf(logOf([0.1, 0.5, 0.2, 0.2]), { type: 'top_p', p: 0.6 }), [1, 2])
  assert.equal(idsOf(logOf([0.1, 0.5, 0.2, 0.2]), { type: 'top_p', p: 0 }), [1])
  assert.equal(idsOf(logOf([0.1, 0.5, 0.2, 0.2]), { type: 'top_p', p: 0, min_keep: 3 }), [1, 2, 3])
  assert.equal(idsOf([0, 0, 0], { type: 'top_p', p: 1 }), [0, 1, 2])
  const logits = manyLogits(20000, 5).map((x) => x / 10)
  for (const p of [0.01, 0.3, 0.9, 0.99]) {
    const lazy = applyChain(logits, [], [{ type: 'top_p', p }])
    const after = applyChain(
      logits,
      [],
      [
        { type: 'top_k', k: 20000 },
        { type: 'top_p', p },
      ],
    )
    // The sums of float32 differ with their order.
    const off = Math.abs(lazy.ids.length - after.ids.length)
    assert.ok(off <= lazy.ids.length / 100, `p = ${p}: ${lazy.ids.length}, ${after.ids.length}`)
    const shorter = Math.min(lazy.ids.length, after.ids.length)
    assert.equal(lazy.ids.slice(0, shorter), after.ids.slice(0, shorter))
  }
})

test('min_p keeps what reaches its share of the best, sorted or not', () => {
  const logits = logOf([0.1, 0.5, 0.25, 0.15])
  assert.equal(idsOf(logits, { type: 'min_p', p: 0.29 }), [1, 2, 3])
  assert.equal(idsOf(logits, { type: 'top_k', k: 4 }, { type: 'min_p', p: 0.29 }), [1, 2, 3])
  assert.equal(idsOf(logits, { type: 'min_p', p: 1 }), [1])
  assert.equal(idsOf(logits, { type: 'min_p', p: 0 }), [1, 2, 3, 0])
  assert.equal(idsOf(logits, { type: 'min_p', p: 1, min_keep: 2 }), [1, 2])
  assert.equal(idsOf(logits, { type: 'top_k', k: 4 }, { type: 'min_p', p: 1, min_keep: 9 }), [1, 2, 3, 0])
  // A later step must still find each token by its id.
  const banned: ChainStep = { type: 'logit_bias', bias: new Map([[2, -Infinity]]) }
  assert.equal(idsOf(logits, { type: 'min_p', p: 0.4 }, banned), [1])
})

test('typical_p prefers tokens of the expected information, and survives masked ones', () => {
  // The entropy is 1.5 nats: the four of 1.9 are nearer than the best one, of 0.9.
  const logits = logOf([0.4, 0.15, 0.15, 0.15, 0.15])
  assert.equal(idsOf(logits, { type: 'typical_p', p: 0.1 }), [1])
  assert.equal(idsOf(logits, { type: 'typical_p', p: 0.29 }), [1, 2])
  assert.equal(idsOf(logits, { type: 'typical_p', p: 0.7 }), [0, 1, 2, 3, 4])
  assert.equal(idsOf(logits, { type: 'typical_p', p: 0.1, min_keep: 3 }), [1, 2, 3])
  assert.equal(idsOf([...logits, -80], { type: 'top_n_sigma', n: 1 }, { type: 'typical_p', p: 0.29 }), [1, 2])
})

test('top_n_sigma masks what lies more than n deviations below the best', () => {
  // Mean 2, deviation 2.
  assert.equal(idsOf([0, 0, 4, 4], { type: 'top_n_sigma', n: 1.9 }), [2, 3])
  assert.equal(idsOf([0, 0, 4, 4], { type: 'top_n_sigma', n: 2 }), [2, 3, 0, 1])
  assert.equal(idsOf([0, 0, 4, 4], { type: 'top_n_sigma', n: -1 }), [2, 3, 0, 1])
})

test('penalties divide positive and multiply negative logits, and count within last_n', () => {
  const logits = [2, -2, 1, 0.5]
  const last = [3, 0, 1, 1]
  const run = (step: Partial<Extract<ChainStep, { type: 'penalties' }>>) => {
    const off = { type: 'penalties', last_n: -1, repeat: 1, frequency: 0, presence: 0 } as const
    const { ids, probs } = applyChain(logits, last, [{ ...off, ...step }])
    const out = new Array<number>(4)
    ids.forEach((id, i) => {
      out[id] = Math.log(probs[i]! / probs[ids.indexOf(2)]!) + 1
    })
    return out.map((x) => Math.round(x * 1e4) / 1e4)
  }
  assert.equal(run({}), logits)
  assert.equal(run({ repeat: 2 }), [1, -4, 1, 0.25])
  assert.equal(run({ repeat: 2, last_n: 2 }), [2, -4, 1, 0.5])
  assert.equal(run({ repeat: 2, last_n: 0 }), logits)
  assert.equal(run({ frequency: 0.5 }), [1.5, -3, 1, 0])
  assert.equal(run({ presence: 0.5, last_n: 3 }), [1.5, -2.5, 1, 0.5])
})

test('temperature divides, moves with the entropy, and at or below 0 keeps the first best', () => {
  const { probs } = applyChain([1, 2], [], [{ type: 'temperature', t: 0.5 }])
  assert.ok(Math.abs(probs[0]! - 1 / (1 + Math.exp(-2))) < 1e-6)
  for (const t of [0, -1, 1e-44]) assert.equal(idsOf([1, 3, 2, 3], { type: 'temperature', t }), [1])
  const p = 1 / (1 + Math.exp(-1))
  const share = -(p * Math.log(p) + (1 - p) * Math.log(1 - p)) / Math.log(2)
  const t = 0.3 + 1 * share ** 2
  const moved = applyChain([1, 2], [], [{ type: 'temperature', t: 0.8, dynamic_range: 0.5, exponent: 2 }])
  assert.ok(Math.abs(moved.probs[0]! - 1 / (1 + Math.exp(-1 / t))) < 1e-6)
  // Equal logits: full entropy, the upper end.
  assert.equal(idsOf([1, 1], { type: 'temperature', t: 0.5, dynamic_range: 0.5 }), [0, 1])
})

test('logit_bias moves and bans; it takes a Map or an object', () => {
  const bias = { 0: 3, 2: -Infinity } as unknown as Map<number, number>
  assert.equal(idsOf([1, 2, 5], { type: 'logit_bias', bias }), [0, 1])
  const all = new Map([0, 1].map((id) => [id, -Infinity]))
  assert.throws(() => idsOf([1, 2], { type: 'logit_bias', bias: all }), /allow some in logitBias/)
})

test('XTC needs two top choices, its luck and min_keep', () => {
  const logits = logOf([0.1, 0.4, 0.3, 0.2])
  const xtc: ChainStep = { type: 'xtc', probability: 1, threshold: 0.25 }
  assert.equal(idsOf(logits, xtc), [2, 3, 0])
  assert.equal(idsOf(logits, { ...xtc, threshold: 0.35 }), [1, 2, 3, 0])
  assert.equal(idsOf(logits, { ...xtc, threshold: 0.1 }), [0])
  assert.equal(idsOf(logits, { ...xtc, threshold: 0.51 }), [1, 2, 3, 0])
  assert.equal(idsOf(logits, { ...xtc, probability: 0 }), [1, 2, 3, 0])
  assert.equal(idsOf(logits, { ...xtc, min_keep: 4 }), [1, 2, 3, 0])
  assert.equal(idsOf(logits, { type: 'top_k', k: 1 }, xtc), [1])
})

test('an unknown step and a parameter that is no number are named', () => {
  const wrong = (step: unknown) => () => idsOf([1, 2], step as ChainStep)
  assert.throws(wrong({ type: 'topk', k: 1 }), (e: ArgumentError) => e.code === 'UNKNOWN_SAMPLER' && e.value === 'topk')
  assert.throws(wrong({ type: 'top_k', k: '1' }), (e: ArgumentError) => e.code === 'INVALID_OPTION' && e.value === '1')
})

const VOCABULARY = 6
const LOGITS = Float32Array.of(1, 3, -1, 3, 2, -2)
const draws = (options: SamplerOptions, n: number, logits = LOGITS) => {
  const sampler = new Sampler(options, logits.length)
  return Array.from({ length: n }, () => sampler.sample(logits))
}

test('the greedy choice is the best token, lowest id among equals, after bias and penalties', () => {
  for (const temperature of [0, -1]) assert.is(draws({ temperature }, 1)[0], 1)
  assert.is(draws({ temperature: 0, logitBias: { 1: -0.5 } }, 1)[0], 3)
  assert.is(draws({ temperature: 0, logitBias: { 1: false, '3': Number.NEGATIVE_INFINITY } }, 1)[0], 4)
  assert.is(draws({ temperature: 0, logitBias: new Map([[5, 9]]) }, 1)[0], 5)
  const sampler = new Sampler({ temperature: 0, repeatPenalty: 2, repeatLastN: 2 }, VOCABULARY)
  const seen: number[] = []
  for (let i = 0; i < 6; i++) {
    const id = sampler.sample(LOGITS)
    seen.push(id)
    sampler.accept(id)
  }
  assert.equal(seen, [1, 3, 4, 1, 3, 4])
  sampler.reset()
  assert.is(sampler.sample(LOGITS), 1)
})

test('a penalty over the whole context forgets nothing', () => {
  const sampler = new Sampler({ temperature: 0, presencePenalty: 100, repeatLastN: -1 }, VOCABULARY)
  const seen: number[] = []
  for (let i = 0; i < VOCABULARY; i++) {
    seen.push(sampler.sample(LOGITS))
    sampler.accept(seen[i]!)
  }
  assert.equal(seen, [1, 3, 4, 0, 2, 5])
})

test('draws come as often as the chain says', () => {
  const options = { temperature: 1.5, topK: 5, topP: 0.98, minP: 0.05, seed: 11 }
  const { ids, probs } = applyChain(
    LOGITS,
    [],
    [
      { type: 'top_k', k: 5 },
      { type: 'top_p', p: 0.98 },
      { type: 'min_p', p: 0.05 },
      { type: 'temperature', t: 1.5 },
    ],
  )
  const n = 20000
  const counts = new Map<number, number>()
  for (const id of draws(options, n)) counts.set(id, (counts.get(id) ?? 0) + 1)
  assert.equal([...counts.keys()].sort(), [...ids].sort())
  ids.forEach((id, i) => {
    const p = probs[i]!
    const deviations = Math.abs(counts.get(id)! - n * p) / Math.sqrt(n * p * (1 - p))
    assert.ok(deviations < 4, `token ${id}: ${counts.get(id)} times, expected ${n * p}`)
  })
})

test('a seed fixes the choices, on every engine; reset starts them over', () => {
  const logits = manyLogits(1000, 1).map((x) => x / 8)
  assert.equal(draws({ seed: 42 }, 12, logits), [33, 323, 388, 830, 138, 172, 682, 765, 571, 340, 178, 648])
  assert.equal(
    draws({ seed: 42, topK: 0, topP: 1, minP: 0, typicalP: 0.7, dynatempRange: 0.3 }, 12, logits),
    [716, 55, 173, 265, 535, 748, 483, 718, 116, 656, 840, 895],
  )
  assert.not.equal(draws({ seed: 43 }, 12, logits), draws({ seed: 42 }, 12, logits))
  const sampler = new Sampler({ repeatPenalty: 1.5 }, 1000)
  const run = () =>
    Array.from({ length: 20 }, () => {
      const id = sampler.sample(logits)
      sampler.accept(id)
      return id
    })
  const first = run()
  sampler.reset()
  assert.equal(run(), first)
  const again = new Sampler({ seed: sampler.seed }, 1000)
  assert.is(again.sample(logits), first[0])
})

/** Other ways of sampling, with what each has to remember. */
const WAYS: Record<string, SamplerOptions> = {
  dry: { dryMultiplier: 2, dryAllowedLength: 1, dryPenaltyLastN: -1 },
  'dry and penalties': {
    dryMultiplier: 1,
    dryAllowedLength: 1,
    dryPenaltyLastN: 9,
    repeatPenalty: 1.2,
    repeatLastN: 3,
  },
  xtc: { xtcProbability: 0.5, xtcThreshold: 0.02, topP: 1 },
  'mirostat 1': { mirostat: 1, mirostatTau: 3 },
  'mirostat 2': { mirostat: 2, mirostatTau: 3 },
  'adaptive-p': { adaptiveTarget: 0.1 },
}
const changing = Array.from({ length: 40 }, (_, i) => manyLogits(60, 9 + (i % 7)).map((x) => x / 4))

function drawn(sampler: Sampler, from = 0): number[] {
  return changing.slice(from).map((logits) => {
    const id = sampler.sample(logits)
    sampler.accept(id)
    return id
  })
}

for (const [name, options] of Object.entries(WAYS)) {
  test(`${name}: a seed fixes the choices, reset starts over, and skip goes on where it can`, () => {
    const open = { temperature: 1, topK: 0, seed: 5 }
    const make = () => new Sampler({ ...open, ...options }, 60)
    const sampler = make()
    const ids = drawn(sampler)
    assert.equal(drawn(make()), ids)
    assert.not.equal(drawn(new Sampler(open, 60)), ids)
    sampler.reset()
    assert.equal(drawn(sampler), ids)
    const again = make()
    assert.is(again.replayable, !/mirostat|adaptive/.test(name))
    for (const id of ids.slice(0, 20)) again.skip(id)
    if (again.replayable) assert.equal(drawn(again, 20), ids.slice(20))
    else assert.not.equal(drawn(again, 20), ids.slice(20))
  })

  test(`${name}: a token that is refused is drawn again by the same numbers, and counts once`, () => {
    const run = (constraint?: Constraint) => {
      const sampler = new Sampler({ temperature: 1, topK: 0, seed: 5, ...options }, 60)
      return changing.map((logits) => {
        const id = sampler.sample(logits, constraint)!
        sampler.accept(id)
        return id
      })
    }
    const all = Uint32Array.of(0xffffffff, 0xffffffff)
    assert.equal(run({ allows: () => false, mask: () => all }), run())
    const even = Uint32Array.of(0x55555555, 0x55555555)
    const ids = run({ allows: (id) => id % 2 === 0, mask: () => even })
    assert.equal(
      ids.filter((id) => id % 2 === 1),
      [],
    )
    assert.ok(new Set(ids).size > 1)
  })
}

test('DRY ends repetitions at the breakers of the vocabulary', () => {
  const texts = ['a', 'b', ':', ' x:', '<end>', ':y']
  const vocabulary = {
    vocabularySize: texts.length,
    tokenBytes: (id: number) => new TextEncoder().encode(texts[id]),
    tokenize: (bytes: Uint8Array) => [...bytes].map((byte) => texts.indexOf(String.fromCharCode(byte))),
  }
  const found = (...breakers: string[]) => [...findBreakers(breakers, vocabulary)]
  assert.equal(found(':'), [
    [2, [[]]],
    [3, [[]]],
    [5, [[]]],
  ])
  assert.equal(found('b:a'), [[1, [[2, 0]]]])
  assert.equal(found('end', 'a'), [
    [0, [[]]],
    [4, [[]]],
  ])
  const best = Float32Array.of(0, 5, 3, 1, 0, 0)
  const next = (options: SamplerOptions, ...ids: number[]) => {
    const sampler = new Sampler({ temperature: 0, dryMultiplier: 9, dryAllowedLength: 1, ...options }, texts.length, {
      vocabulary,
    })
    for (const id of ids) sampler.accept(id)
    return sampler.sample(best)
  }
  assert.is(next({}, 0, 1, 0), 2, 'b would go on with a b')
  assert.is(next({ dryAllowedLength: 2 }, 0, 1, 0), 1, 'which is short')
  assert.is(next({ dryPenaltyLastN: 2 }, 0, 1, 0), 1, 'and long ago')
  assert.is(next({ dryPenaltyLastN: 0 }, 0, 1, 0), 1)
  assert.is(next({ drySequenceBreakers: ['a'] }, 0, 1, 0), 1, 'a ends it')
  assert.is(next({ drySequenceBreakers: ['b'] }, 0, 1, 0), 1, 'a breaker costs nothing')
  assert.is(next({ samplers: ['temperature'] }, 0, 1, 0), 1)
})

test('a repetition of any length leaves a token to choose', () => {
  const sampler = new Sampler({ dryMultiplier: 100, dryBase: 50, dryPenaltyLastN: -1, topK: 1, temperature: 0.1 }, 2)
  for (let i = 0; i < 200; i++) sampler.accept(0)
  const only = { allows: (id: number) => id === 0, mask: () => Uint32Array.of(1) }
  assert.is(sampler.sample(Float32Array.of(0, 1), only), 0)
})

test('XTC acts at temperature 0 too; Mirostat leaves nothing else on; adaptive-p is last wherever it stands', () => {
  const logits = Float32Array.of(2, 1.9, 0, 0)
  const first = (options: SamplerOptions) => new Sampler({ seed: 3, ...options }, 4).sample(logits)
  assert.is(first({ temperature: 0 }), 0)
  assert.is(first({ temperature: 0, xtcProbability: 1 }), 1)
  assert.is(first({ temperature: 0, xtcProbability: 1, mirostat: 2 }), 0)
  assert.is(first({ temperature: 0, adaptiveTarget: 0 }), 0)
  const many = (options: SamplerOptions) => {
    const sampler = new Sampler({ seed: 3, temperature: 1, ...options }, 4)
    return Array.from({ length: 50 }, () => {
      const id = sampler.sample(logits)
      sampler.accept(id)
      return id
    })
  }
  const mirostat: SamplerOptions = { mirostat: 2, mirostatTau: 1 }
  const others: SamplerOptions = { topK: 1, repeatPenalty: 9, dryMultiplier: 9, samplers: ['top_k'], xtcProbability: 1 }
  assert.equal(many({ ...mirostat, ...others, adaptiveTarget: 0.1 }), many(mirostat))
  const links: SamplerOptions['samplers'] = ['min_p', 'temperature']
  const adaptive = { adaptiveTarget: 0.2 }
  const last = many({ ...adaptive, samplers: [...links, 'adaptive_p'] })
  assert.equal(many({ ...adaptive, samplers: ['adaptive_p', ...links] }), last)
  assert.not.equal(many({ ...adaptive, samplers: links }), last)
  assert.equal(many({ ...adaptive, adaptiveTarget: -0.5 }), many({}))
})

test('Mirostat 1 keeps all where its count is beyond any', () => {
  const c = new Candidates(4)
  const mirostat = new Mirostat({ type: 'mirostat', version: 1, tau: 50, eta: 0.1 }, 4)
  for (const [logits, size] of [
    [[0.03, 0.02, 0.01, 0], 4],
    [[9, -80, -80, -80], 1],
  ] as const) {
    c.load(Float32Array.from(logits))
    mirostat.apply(c)
    assert.is(c.size, size)
  }
  // Masked candidates say nothing of the others.
  c.load(Float32Array.of(2, 1, 0, 0))
  c.restrict(Uint32Array.of(0b11))
  new Mirostat({ type: 'mirostat', version: 1, tau: 2, eta: 0.1 }, 4).apply(c)
  assert.ok(c.size >= 2)
})

test('Mirostat holds the surprise, and adaptive-p the probability', () => {
  const mean = (logits: typeof LOGITS, options: SamplerOptions, of: (p: number) => number) => {
    const { ids, probs } = applyChain(logits, [], [])
    const n = 3000
    const all = draws({ temperature: 1, topK: 0, topP: 1, minP: 0, seed: 8, ...options }, n, logits)
    return all.reduce((sum, id) => sum + of(probs[ids.indexOf(id)]!) / n, 0)
  }
  const few = Float32Array.from(logOf([0.5, 0.25, 0.1, 0.1, 0.05]))
  for (const adaptiveTarget of [0.15, 0.25, 0.4]) {
    const found = mean(few, { adaptiveTarget }, (p) => p)
    assert.ok(Math.abs(found - adaptiveTarget) < 0.03, `${found}, not ${adaptiveTarget}`)
  }
  const many = Float32Array.from(manyLogits(400, 3), (x) => x / 8)
  for (const mirostat of [1, 2] as const) {
    const [low, high] = [3, 5].map((tau) => mean(many, { mirostat, mirostatTau: tau }, (p) => -Math.log2(p)))
    assert.ok(low! < high!, `${low} ${high}`)
  }
})

test('sampling leaves the logits as they are', () => {
  const logits = LOGITS.slice()
  draws({ seed: 1, repeatPenalty: 2, logitBias: { 1: false }, topNSigma: 1 }, 3, logits)
  assert.equal(logits, LOGITS)
})

test('a banned token is never drawn, without any cut either', () => {
  const open = { topK: 0, topP: 1, minP: 0, temperature: 5, seed: 3 }
  const seen = new Set(draws({ ...open, logitBias: { 1: false, 3: -Infinity } }, 2000))
  assert.equal([...seen].sort(), [0, 2, 4, 5])
  const bans = Object.fromEntries([...LOGITS.keys()].map((id) => [id, false as const]))
  for (const temperature of [0, 1]) {
    assert.throws(
      () => draws({ temperature, logitBias: bans }, 1),
      (e: ArgumentError) => e.code === 'NO_TOKEN_LEFT',
    )
  }
})

test('logits that are not finite, or too few, are refused', () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (const temperature of [0, 1]) {
      const logits = LOGITS.slice()
      logits[4] = bad
      const expected = (e: unknown) => e instanceof NumericError && /token 4/.test(e.message) && Object.is(e.value, bad)
      assert.throws(() => draws({ temperature }, 1, logits), expected)
    }
  }
  const sampler = new Sampler({}, VOCABULARY)
  assert.throws(
    () => sampler.sample(new Float32Array(5)),
    (e: unknown) => e instanceof ArgumentError && e.value === 5,
  )
  assert.throws(() => new Sampler({ repeatPenalty: 1e-38, temperature: 0 }, 2).accept(2), /from 0 to 1/)
})

test('each wrong option is named with its value', () => {
  const wrong: Record<string, unknown[]> = {
    temperature: ['hot', Number.NaN, Number.POSITIVE_INFINITY, null, 1e39],
    topK: [-2, 1.5, '40', Number.NaN],
    topP: [-0.1, 1.1, '1', Number.NaN],
    minP: [-0.1, 1.1],
    typicalP: [-0.1, 1.1],
    topNSigma: [Number.NaN, '1'],
    repeatPenalty: [0, -1, Number.POSITIVE_INFINITY, 1e-60],
    repeatLastN: [-2, 0.5],
    frequencyPenalty: [Number.NaN, 1001],
    presencePenalty: [false, -1001],
    dryMultiplier: [-1, '1', Number.NaN],
    dryBase: [0.9, Number.POSITIVE_INFINITY],
    dryAllowedLength: [-1, 1.5],
    dryPenaltyLastN: [-2, 0.5],
    drySequenceBreakers: ['x', [''], [5], ['x'.repeat(41)], ['é'.repeat(21)], null],
    xtcProbability: [-0.1, 1.1],
    xtcThreshold: [-0.1, 1.1],
    mirostat: [3, -1, 1.5, '1', true],
    mirostatTau: [-1, Number.NaN],
    mirostatEta: [-1, '1'],
    adaptiveTarget: [1.1, Number.NaN, Number.NEGATIVE_INFINITY],
    adaptiveDecay: [-0.1, 1],
    samplers: ['dry', ['infill'], [5]],
    dynatempRange: [-1],
    dynatempExponent: [-1, '2'],
    minKeep: [-1, 0.5],
    seed: [-1, 4294967296, 0.5, '7', Number.NaN],
    logitBias: [[1, 2], 'no', null],
  }
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => new Sampler({ [name]: value }, VOCABULARY),
        (e: unknown) => e instanceof ArgumentError && e.message.startsWith(`${name} `) && Object.is(e.value, value),
        `${name}: ${value}`,
      )
    }
  }
  for (const [id, value] of [
    ['x', 1],
    ['6', 1],
    ['-1', 1],
    ['1', Number.NaN],
    ['1', Number.POSITIVE_INFINITY],
    ['1', true],
    ['1', null],
  ]) {
    const options = { logitBias: { [id as string]: value } } as SamplerOptions
    assert.throws(
      () => new Sampler(options, VOCABULARY),
      (e: unknown) => e instanceof ArgumentError,
      `${id}: ${value}`,
    )
  }
  for (const size of [0, -1, 1.5, 2 ** 22]) assert.throws(() => new Sampler({}, size), /1 to 2097152 tokens/)
  // Undefined is absent; off-values are fine.
  const off: SamplerOptions = { topK: -1, topP: 1, minP: 0, topNSigma: 0, repeatLastN: 0, seed: 4294967295 }
  assert.is(new Sampler({ ...off, temperature: undefined } as SamplerOptions, VOCABULARY).seed, 4294967295)
})

test('the generator is xoshiro128**, seeded by SplitMix64', () => {
  // Reference outputs of the authors' C code from the state 1, 2, 3, 4.
  const random = new Random([1, 2, 3, 4])
  assert.equal(
    Array.from({ length: 10 }, () => random.next()),
    [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804],
  )
  // SplitMix64 from 0 gives e220a8397b1dcdaf, 6e789e6aa1b965f4.
  const seeded = new Random(0)
  const state = new Random([0x7b1dcdaf, 0xe220a839, 0xa1b965f4, 0x6e789e6a])
  for (let i = 0; i < 5; i++) assert.is(seeded.next(), state.next())
  let sum = 0
  for (let i = 0; i < 10000; i++) {
    const x = seeded.uniform()
    assert.ok(x >= 0 && x < 1)
    sum += x
  }
  assert.ok(Math.abs(sum / 10000 - 0.5) < 0.01)
})

test('a random seed has 32 bits and is another each time', () => {
  const seeds = Array.from({ length: 8 }, randomSeed)
  for (const seed of seeds) assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 4294967296)
  assert.ok(new Set(seeds).size > 1)
})

test.run()
