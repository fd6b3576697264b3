/** Layers with experts: close to the reference, the same bits for every cut of the work, hostile sizes refused. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SyntheticModel } from '../../js/bench/synthetic.ts'
import { type CriaError, FormatError, UnsupportedError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import type { Gguf, MetadataValue, TensorInfo } from '../../js/gguf/types.ts'
import { writeGguf } from '../../js/gguf/writer.ts'
import { findTensors, readConfig } from '../../js/models/index.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { cria } from '../cli-helpers.ts'
import { openEngine } from '../engine-harness.ts'
import { concat } from '../gguf-helpers.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'
import { readSafetensors, shared, sharedTest } from '../shared.ts'

const BUILDS = ['scalar', 'simd', ...(hasRelaxedSimd() ? ['relaxed'] : [])]
if (!hasRelaxedSimd()) test.skip('the relaxed build (this engine has no relaxed SIMD)')

const folder = mkdtempSync(join(tmpdir(), 'cria-experts-'))
test.after(() => rmSync(folder, { recursive: true }))

async function logits(path: string, tokens: number[], build = 'simd', batch = 64): Promise<Buffer> {
  const engine = await openEngine(path, build, { batch, context: tokens.length })
  const data = await engine.allLogits(tokens)
  engine.close()
  return Buffer.from(data.buffer)
}

const GOLDEN = shared('goldens', 'experts', 'experts.gguf')

sharedTest('logits within 1e-3 of the reference', async () => {
  const golden = readSafetensors(shared('goldens', 'experts', 'experts.safetensors'))
  const tokens = [...(golden.get('tokens')!.data as Int32Array)]
  const want = golden.get('logits')!.data as Float32Array
  const engine = await openEngine(GOLDEN)
  const got = await engine.allLogits(tokens)
  engine.close()
  const difference = want.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0)
  assert.is(got.length, want.length)
  assert.ok(difference < 1e-3, `largest difference ${difference}`)
})

/** A file of random weights. */
async function randomModel(type: string): Promise<string> {
  const path = join(folder, `${type}.gguf`)
  writeFileSync(path, await concat(new SyntheticModel({ shape: 'toy-experts', type }).file()))
  return path
}

const TOKENS = Array.from({ length: 70 }, (_, i) => (i * 7919 + 13) % 500)

for (const type of ['f32', 'f16', 'q4_0', 'q8_0', 'q4_k_m', 'q6_k']) {
  test(`${type}: the same bits in every build and for every cut of a prompt`, async () => {
    const path = await randomModel(type)
    const want = await logits(path, TOKENS, 'scalar', 64)
    for (const build of BUILDS) {
      for (const batch of [1, 2, 7, 64, 70]) {
        assert.ok(want.equals(await logits(path, TOKENS, build, batch)), `${build}, pieces of ${batch}`)
      }
    }
  })
}

test('the same bits on any number of threads', async () => {
  const path = await randomModel('q4_0')
  const want = await logits(path, TOKENS)
  for (const threads of [1, 2, 3, 4]) {
    for (const batch of [1, 7, 64]) {
      const model = await load(path, { threads, batch, context: TOKENS.length, kv: 'f32' })
      const { data } = await model.logits(TOKENS)
      await model.close()
      assert.ok(want.equals(Buffer.from(data.buffer)), `${threads} threads, pieces of ${batch}`)
    }
  }
})

/** The golden's bytes, some of its tensors changed. */
function changed(change: (info: TensorInfo, values: Float32Array) => void): Promise<string> {
  const bytes = new Uint8Array(readFileSync(GOLDEN))
  return readGguf(bytesSource(bytes)).then(({ tensors }) => {
    for (const info of tensors.values()) {
      const values = new Float32Array(bytes.slice(info.offset, info.offset + info.bytes).buffer)
      change(info, values)
      bytes.set(new Uint8Array(values.buffer), info.offset)
    }
    const path = join(folder, 'changed.gguf')
    writeFileSync(path, bytes)
    return path
  })
}

sharedTest('of experts that suit a token alike, the first are taken', async () => {
  const silence = (info: TensorInfo, values: Float32Array): void => {
    if (info.name.includes('ffn_gate_inp')) values.fill(0)
  }
  const want = await logits(await changed(silence), TOKENS)
  // Experts 2 and 3 of 4 may hold anything, 0 and 1 not.
  for (const [from, to, same] of [
    [0.5, 1, true],
    [0, 0.25, false],
    [0.25, 0.5, false],
  ] as const) {
    const path = await changed((info, values) => {
      silence(info, values)
      if (info.name.includes('ffn_down_exps')) values.fill(1, from * values.length, to * values.length)
    })
    assert.is(want.equals(await logits(path, TOKENS)), same, `${from} to ${to}`)
  }
})

sharedTest('a file with a tensor for each expert gives the same bits as one with stacks', async () => {
  const bytes = new Uint8Array(readFileSync(GOLDEN))
  const { metadata, tensors } = await readGguf(bytesSource(bytes))
  const split = [...tensors.values()].flatMap((info) => {
    const { name, dimensions, type, offset } = info
    const stacked = /^(.*)_exps\.weight$/.exec(name)
    const count = stacked ? dimensions[2]! : 1
    return Array.from({ length: count }, (_, i) => ({
      name: stacked ? `${stacked[1]}.${i}.weight` : name,
      dimensions: stacked ? dimensions.slice(0, 2) : dimensions,
      type,
      data: () => [bytes.subarray(offset + (i * info.bytes) / count, offset + ((i + 1) * info.bytes) / count)],
    }))
  })
  const entries = [...metadata].filter(([key]) => /^(llama|general)/.test(key))
  const path = join(folder, 'split.gguf')
  const written = entries.map(([key, value]) =>
    typeof value === 'string'
      ? ({ key, type: 'string', value } as const)
      : ({ key, type: Number.isInteger(value) ? 'uint32' : 'float32', value: value as number } as const),
  )
  writeFileSync(path, await concat(writeGguf(written, split)))
  assert.ok((await logits(GOLDEN, TOKENS)).equals(await logits(path, TOKENS)))
})

/** The golden's header with other metadata or tensors. */
async function header(metadata: Record<string, MetadataValue>, tensors: Record<string, number[]> = {}): Promise<Gguf> {
  const gguf = await readGguf(bytesSource(new Uint8Array(readFileSync(GOLDEN))))
  const others = new Map(gguf.tensors)
  for (const [name, dimensions] of Object.entries(tensors)) {
    if (dimensions.length === 0) others.delete(name)
    else others.set(name, { ...others.get(name)!, dimensions })
  }
  return { ...gguf, metadata: new Map([...gguf.metadata, ...Object.entries(metadata)]), tensors: others }
}

test('inspect tells experts and the parameters that are active for a token', async () => {
  const { code, stdout } = await cria(['inspect', '--shape', 'toy-experts'])
  assert.is(code, 0)
  assert.match(stdout, /feed-forward +6 experts of 512, 2 used/)
  const { parameters } = JSON.parse((await cria(['inspect', '--shape', 'toy-experts', '--json'])).stdout)
  assert.is(parameters.total - parameters.active, 2 * (6 - 2) * 3 * 256 * 512)
  assert.is((await cria(['inspect', '--shape', 'toy-experts', 'model.gguf'])).code, 2)
  assert.is((await cria(['inspect', '--type', 'q4_0'])).code, 2)
})

const COUNT = 'llama.expert_count'
const USED = 'llama.expert_used_count'
const REFUSED: [Record<string, MetadataValue>, Record<string, number[]>, typeof CriaError, string, unknown][] = [
  [{ [COUNT]: 0 }, {}, FormatError, 'METADATA_RANGE', 0],
  [{ [COUNT]: -1 }, {}, FormatError, 'METADATA_RANGE', -1],
  [{ [COUNT]: 2.5 }, {}, FormatError, 'METADATA_RANGE', 2.5],
  [{ [USED]: 5 }, {}, FormatError, 'METADATA_RANGE', 5],
  [{ [USED]: 0 }, {}, FormatError, 'METADATA_RANGE', 0],
  [{ [USED]: 1.5 }, {}, FormatError, 'METADATA_RANGE', 1.5],
  [{ [COUNT]: 513 }, {}, UnsupportedError, 'UNSUPPORTED_EXPERTS', 513],
  [{ 'llama.expert_gating_func': 2 }, {}, UnsupportedError, 'UNSUPPORTED_EXPERTS', 2],
  [{ 'llama.expert_shared_count': 1 }, {}, UnsupportedError, 'UNSUPPORTED_EXPERTS', 1],
  [{ [COUNT]: 8 }, {}, FormatError, 'TENSOR_SHAPE', [128, 4]],
  [{}, { 'blk.1.ffn_up_exps.weight': [128, 256, 3] }, FormatError, 'TENSOR_SHAPE', [128, 256, 3]],
  [{}, { 'blk.1.ffn_down_exps.weight': [128, 256, 4] }, FormatError, 'TENSOR_SHAPE', [128, 256, 4]],
  [{}, { 'blk.0.ffn_gate_exps.weight': [128, 1024] }, FormatError, 'TENSOR_SHAPE', [128, 1024]],
  [{}, { 'blk.0.ffn_gate_inp.weight': [] }, FormatError, 'TENSOR_MISSING', 'blk.0.ffn_gate_inp.weight'],
]

for (const [metadata, tensors, Class, code, value] of REFUSED) {
  sharedTest(`refused: ${JSON.stringify({ ...metadata, ...tensors })}`, async () => {
    const gguf = await header(metadata, tensors)
    assert.throws(
      () => findTensors(gguf, readConfig(gguf)),
      (error: unknown) => {
        assert.instance(error, Class)
        assert.is((error as CriaError).code, code)
        assert.equal((error as CriaError).value, value)
        return true
      },
    )
  })
}

test.run()
