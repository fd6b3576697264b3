/** The flags of samplers do what the options of `generate` do. */
import { type GenerateOptions, load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { cria } from '../cli-helpers.ts'

test('DRY, XTC, Mirostat and adaptive-p by llama.cpp’s flags', async () => {
  const cases: [args: string, options: GenerateOptions][] = [
    ['--dry-multiplier 2 --dry-allowed-length 1 --dry-penalty-last-n -1', { dryAllowedLength: 1, dryPenaltyLastN: -1 }],
    ['--dry-multiplier 2 --dry-base 3', { dryBase: 3 }],
    ['--dry-multiplier 2 --dry-base 0.5', {}],
    ['--dry-multiplier 2 --dry-sequence-breaker none', { drySequenceBreakers: [] }],
    [
      '--dry-multiplier 2 --dry-sequence-breaker a --dry-sequence-breaker none --dry-sequence-breaker he',
      { drySequenceBreakers: ['he'] },
    ],
    ['--dry-multiplier 2 -e --dry-sequence-breaker \\x65', { drySequenceBreakers: ['e'] }],
    ['--xtc-probability 0.5 --xtc-threshold 0.05', { xtcProbability: 0.5, xtcThreshold: 0.05 }],
    ['--mirostat 1 --mirostat-ent 3 --mirostat-lr 0.5', { mirostat: 1, mirostatTau: 3, mirostatEta: 0.5 }],
    ['--mirostat 2', { mirostat: 2 }],
    ['--adaptive-target 0.25 --adaptive-decay 0.5', { adaptiveTarget: 0.25, adaptiveDecay: 0.5 }],
    ['--sampler-seq xa --xtc-probability 1 --adaptive-target 0', { samplers: ['xtc', 'adaptive_p'] }],
  ]
  const model = await load(STORIES, { inProcess: true })
  for (const [args, options] of cases) {
    const on = args.includes('--dry')
      ? { dryMultiplier: 2 }
      : args.includes('xa')
        ? { xtcProbability: 1, adaptiveTarget: 0 }
        : {}
    const common = { temperature: 1.2, seed: 7, maxTokens: 40 }
    const { ids } = await model.generate('Once', { ...common, ...on, ...options }).result()
    const { stdout, stderr } = await cria([
      '-p',
      'Once',
      '-n',
      '40',
      '-s',
      '7',
      '--temp',
      '1.2',
      '--json',
      ...args.split(' '),
    ])
    assert.is(stderr, '', args)
    assert.equal(JSON.parse(stdout).ids, ids, args)
  }
  await model.close()
  const bad = await cria(['-p', 'Once', '--dry-multiplier', '1', '--dry-sequence-breaker', 'x'.repeat(41)])
  assert.equal([bad.code, bad.stdout], [1, ''])
  assert.match(bad.stderr, /--dry-sequence-breaker must be a list of texts of 1 to 40 bytes/)
  for (const [flag, value, range] of [
    ['--adaptive-target', '1.5', 'of at most 1'],
    ['--xtc-probability', '2', 'from 0 to 1'],
    ['--mirostat', '3', 'from 0 to 2'],
  ] as const) {
    const { code, stderr } = await cria(['-p', 'Once', flag, value])
    assert.is(code, 2)
    assert.ok(stderr.includes(`${flag} takes a`) && stderr.includes(`number ${range}, not "${value}"`), stderr)
  }
})

test.run()
