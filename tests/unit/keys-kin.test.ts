/** What an architecture does not know is refused by name: keys, window patterns, kinds of experts, tensors. */
import { readFileSync } from 'node:fs'
import { load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UnsupportedError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import type { Gguf, MetadataValue } from '../../js/gguf/types.ts'
import { findTensors, readConfig } from '../../js/models/index.ts'
import { bytesSource } from '../../js/source/memory.ts'
import type { CriaWarning } from '../../js/util/warn.ts'
import { kinFiles } from '../kin-files.ts'
import { sharedTest } from '../shared.ts'

const files = kinFiles()
sharedTest('kin: there are models', () => assert.ok(files.length > 0))

const headers = new Map<string, Gguf>()
for (const { name, gguf } of files) headers.set(name, await readGguf(bytesSource(readFileSync(gguf), name)))

/** The header with keys under its own prefix. */
function withKeys(gguf: Gguf, keys: Record<string, MetadataValue>): Gguf {
  const prefix = gguf.metadata.get('general.architecture')
  const entries = Object.entries(keys).map(([key, value]) => [`${prefix}.${key}`, value] as const)
  return { ...gguf, metadata: new Map([...gguf.metadata, ...entries]) }
}

function refused(gguf: Gguf, code: string, name: string): void {
  assert.throws(
    () => findTensors(gguf, readConfig(gguf)),
    (error: unknown) => {
      assert.instance(error, UnsupportedError)
      assert.is((error as UnsupportedError).code, code)
      assert.ok((error as UnsupportedError).message.includes(name), (error as UnsupportedError).message)
      return true
    },
  )
}

/** Keys that no architecture has, each of which would change results. */
const NOBODYS: Record<string, MetadataValue> = {
  'attention.output_softcapping': 20,
  'attention.sliding_window_stride': 4,
  query_scale: 0.5,
  'attention.clamp_kqv': 8,
  expert_bias_scale: 2,
  'rope.scaling.beta': 3,
  residual_multiplier_scale: 2,
}

for (const [name, gguf] of headers) {
  test(`kin/${name}: unknown keys that change results, and tensors nobody asked for`, () => {
    const architecture = String(gguf.metadata.get('general.architecture'))
    for (const [key, value] of Object.entries(NOBODYS)) {
      refused(withKeys(gguf, { [key]: value }), 'KEY_UNKNOWN', `${architecture}.${key}`)
    }
    const plain = readConfig(gguf)
    const neutral = {
      'attention.output_softcapping': 0,
      expert_bias_scale: 0,
      tensor_data_layout: 'Meta AI original pth',
    }
    assert.equal(readConfig(withKeys(gguf, neutral)), plain, 'nothing of something is as without it')
    // llama.cpp reads it of Granite alone; converters write it of MiniCPM.
    const codes: string[] = []
    const warn = ({ code, message }: CriaWarning): void => {
      assert.ok(message.includes(`${architecture}.attention.scale`))
      codes.push(code)
    }
    const scaled = readConfig(withKeys(gguf, { 'attention.scale': 0.5 }), warn)
    const isGranite = architecture.startsWith('granite')
    assert.equal(codes, isGranite || architecture === 'minicpm' ? [] : ['KEY_IGNORED'])
    assert.equal(scaled, isGranite ? { ...plain, attentionScale: 0.5 } : plain)
    const info = { ...gguf.tensors.get('output_norm.weight')!, name: 'blk.0.attn_sinks.weight' }
    refused({ ...gguf, tensors: new Map([...gguf.tensors, [info.name, info]]) }, 'TENSOR_UNKNOWN', info.name)
  })

  test(`kin/${name}: kinds of experts, groups of them, attention that is not causal`, () => {
    refused(withKeys(gguf, { 'attention.causal': false }), 'UNSUPPORTED_ATTENTION', 'attention.causal')
    if (readConfig(gguf).expertCount === 0) return
    refused(withKeys(gguf, { expert_gating_func: 2 }), 'UNSUPPORTED_EXPERTS', 'expert_gating_func')
    refused(withKeys(gguf, { expert_group_count: 4 }), 'UNSUPPORTED_EXPERTS', 'expert_group_count')
    refused(withKeys(gguf, { expert_weights_scale: 2.5 }), 'UNSUPPORTED_EXPERTS', 'expert_weights_scale')
  })

  if (readConfig(gguf).layers.every(({ window }) => window === 0)) continue
  test(`kin/${name}: window patterns`, () => {
    const { blockCount, layers } = readConfig(gguf)
    const key = 'attention.sliding_window_pattern'
    if (layers.every(({ window }) => window > 0)) return
    const listed = Uint8Array.from(layers, ({ window }) => (window > 0 ? 1 : 0))
    assert.equal(readConfig(withKeys(gguf, { [key]: listed })).layers, layers)
    for (const wrong of [new Uint8Array(blockCount + 1), Uint32Array.from(layers, (_, i) => i)]) {
      refused(withKeys(gguf, { [key]: wrong }), 'UNSUPPORTED_WINDOW', key)
    }
    const all = readConfig(withKeys(gguf, { [key]: new Uint8Array(blockCount).fill(1) })).layers
    assert.ok(all.every(({ window }) => window > 0))
  })
}

sharedTest('keys that are normed after they are turned cannot be shifted, and the model goes on', async () => {
  const after = files.filter(({ name }) => readConfig(headers.get(name)!).headNorm === 'after')
  assert.ok(after.length > 0)
  for (const { gguf } of after) {
    const model = await load(gguf, { context: 64, threads: 1 })
    const error = await model
      .generate([1, 2, 3], { maxTokens: 4, contextShift: true })
      .result()
      .catch((thrown: unknown) => thrown)
    assert.is((error as UnsupportedError).code, 'UNSUPPORTED_SHIFT')
    assert.is((await model.generate([1, 2, 3], { maxTokens: 4, ignoreEos: true }).result()).ids.length, 4)
    await model.close()
  }
})

test.run()
