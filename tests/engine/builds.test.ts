/** Which build runs where the engine has both. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { capabilities } from '../../js/api/capabilities.ts'
import { chooseBuild, fasterBuild } from '../../js/engine/builds.ts'
import { openProbe } from '../../js/engine/probe.ts'
import { type Isa, measured } from '../../js/engine/wasm-build.ts'
import { type LoadOptions, load } from '../../js/index.ts'
import { WEIGHT_TYPES } from '../../js/models/weight-types.ts'
import { bits, STORIES } from '../api-helpers.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'

async function loaded(options: LoadOptions = {}) {
  await using model = await load(STORIES, options)
  const { data } = await model.logits([1, 403, 407, 261, 378])
  return { ...model.info, logits: bits(data) }
}

async function compiled(isa: Isa): Promise<WebAssembly.Module> {
  return WebAssembly.compile(readFileSync(`build/wasm/${isa}.wasm`))
}

if (!hasRelaxedSimd()) {
  test('the only build that runs is taken, and no trial made', async () => {
    const { isa, isaReason } = await loaded()
    assert.equal([isa, isaReason, measured], ['simd', 'only', {}])
    assert.is((await loaded({ isa: 'simd' })).isaReason, 'asked')
    assert.is((await loaded({ inProcess: true })).isaReason, 'only')
  })
} else {
  const modules = { relaxed: await compiled('relaxed'), simd: await compiled('simd') }

  /** A trial by a clock that only the kernels move, by `costs` a call, and that shows whole `ticks`. */
  function trial(type: string, costs: Record<Isa, number>, tick = 0.001): Isa {
    let now = 0
    const probeOf = (isa: Isa) => {
      const probe = openProbe(modules[isa], false)
      const call = probe.call.bind(probe)
      probe.call = (id, n) => {
        now += costs[isa]
        call(id, n)
      }
      return probe
    }
    return fasterBuild(
      type,
      { relaxed: probeOf('relaxed'), simd: probeOf('simd') },
      () => Math.floor(now / tick) * tick,
    )
  }

  test('the faster build is taken, of every type; relaxed where the difference may be chance', () => {
    for (const type of WEIGHT_TYPES.keys()) {
      assert.is(trial(type, { relaxed: 0.002, simd: 0.001 }), 'simd', type)
      assert.is(trial(type, { relaxed: 0.001, simd: 0.002 }), 'relaxed', type)
      assert.is(trial(type, { relaxed: 0.001, simd: 0.00095 }), 'relaxed', type)
    }
  })

  test('a clock that ticks too seldom decides nothing', () => {
    assert.is(trial('Q4_0', { relaxed: 0.0008, simd: 0.0004 }, 1), 'relaxed')
  })

  test('a trial takes no longer than it may', () => {
    for (const type of ['Q4_0', 'Q6_K']) {
      let [first, last] = [0, 0]
      const probes = { relaxed: openProbe(modules.relaxed, false), simd: openProbe(modules.simd, false) }
      // A machine on which every look at the clock costs a millisecond: rounds end when their time is over.
      fasterBuild(type, probes, () => {
        last++
        first ||= last
        return last
      })
      assert.ok(last - first < 20 + 20 + 3 * 2 + 4, `${type}: ${last - first}`)
    }
  })

  test('the first load makes a trial; its result is kept for those that follow, and changes no bit', async () => {
    const first = await loaded()
    assert.equal([first.isaReason, measured[first.type]], ['measured', first.isa])
    try {
      for (const isa of ['simd', 'relaxed'] as const) {
        measured[first.type] = isa
        const again = await loaded()
        assert.equal([again.isa, again.isaReason, again.logits], [isa, 'measured', first.logits])
        assert.is(capabilities().measured[first.type], isa)
        assert.is(capabilities().why.includes(`(so for ${first.type})`), isa === 'simd')
      }
      measured[first.type] = 'simd'
      const asked = await loaded({ isa: 'relaxed' })
      assert.equal([asked.isa, asked.isaReason, asked.logits], ['relaxed', 'asked', first.logits])
    } finally {
      measured[first.type] = first.isa
    }
  })

  test('nothing is tried in the caller’s thread, or where a module is given', async () => {
    const inProcess = await loaded({ inProcess: true })
    assert.equal([inProcess.isa, inProcess.isaReason], ['relaxed', 'untried'])
    const given = await loaded({ wasm: await WebAssembly.compile(readFileSync('dist/simd.wasm')) })
    assert.equal([given.isa, given.isaReason], ['simd', 'asked'])
  })

  test('builds that are at hand are tried, and nothing is read', async () => {
    const options = { isa: 'relaxed', shared: false, wasm: modules, found: {} } as const
    const files = { wasm: (name: string) => Promise.reject(new Error(`${name} was read`)), hasBuilds: () => false }
    const { isa, isaReason, module } = await chooseBuild('Q4_0', 1, options, files)
    assert.is(isaReason, 'measured')
    assert.is(module, modules[isa])
    const known = await chooseBuild('Q4_0', 1, { ...options, found: { Q4_0: 'simd' } }, files)
    assert.equal([known.isa, known.isaReason, known.module], ['simd', 'measured', modules.simd])
  })
}

test.run()
