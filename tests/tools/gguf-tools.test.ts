/** GGUF files split, merged, changed and shown: js/gguf/rewrite.ts and cria gguf. */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArgumentError, UnsupportedError } from '../../js/errors.ts'
import {
  mergeGguf,
  readEntries,
  type SetOptions,
  type SplitOptions,
  setMetadata,
  shardName,
  splitGguf,
} from '../../js/gguf/rewrite.ts'
import { readModel } from '../../js/gguf/shards.ts'
import { writeGguf } from '../../js/gguf/writer.ts'
import { openFile } from '../../js/platform/files-node.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { openModel } from '../../js/source/shards.ts'
import { CLI, command, cria, withFolder } from '../cli-helpers.ts'
import { concat, Raw, read, rejects, sharedGgufFiles } from '../gguf-helpers.ts'

const MODEL = 'models/stories260K.gguf'
const model = new Uint8Array(readFileSync(MODEL))

async function split(bytes: Uint8Array, options: SplitOptions): Promise<Uint8Array[]> {
  const shards = await splitGguf(bytesSource(bytes), await read(bytes), options)
  return Promise.all(shards.map((shard) => concat(shard.chunks())))
}

async function merge(shards: Uint8Array[]): Promise<Uint8Array> {
  const source = await openModel(shards, openFile)
  return concat(mergeGguf(source, await readModel(source)))
}

async function set(bytes: Uint8Array, key: string, value: string, options?: SetOptions): Promise<Uint8Array> {
  return concat(setMetadata(bytesSource(bytes), await read(bytes), key, value, options))
}

/** Every tensor's type, dimensions and data by name. */
async function tensorsOf(bytes: Uint8Array): Promise<Map<string, string>> {
  const { tensors } = await read(bytes)
  const described = Array.from(tensors.values(), ({ name, type, dimensions, offset, bytes: length }) => {
    const hash = createHash('sha256')
      .update(bytes.subarray(offset, offset + length))
      .digest('hex')
    return [name, `${type} ${dimensions.join('×')} ${hash}`] as const
  })
  return new Map(described)
}

test('shards hold what llama-gguf-split puts in them', async () => {
  const whole = await read(model)
  const shards = await split(model, { maxTensors: 20 })
  assert.is(shards.length, Math.ceil(whole.tensors.size / 20))
  const names: string[] = []
  for (const [no, bytes] of shards.entries()) {
    const gguf = await read(bytes)
    const split = (await readEntries(bytesSource(bytes), gguf)).slice(-3)
    assert.equal(
      split.map(({ key, type, value }) => [key, type, value]),
      [
        ['split.no', 'uint16', no],
        ['split.tensors.count', 'int32', whole.tensors.size],
        ['split.count', 'uint16', shards.length],
      ],
    )
    assert.is(gguf.metadata.size, 3 + (no === 0 ? whole.metadata.size : 0))
    names.push(...gguf.tensors.keys())
  }
  assert.equal(names, [...whole.tensors.keys()])
  assert.is(shardName('dir/name', 1, 12), 'dir/name-00002-of-00012.gguf')
})

test('a bound of bytes counts tensors with their padding', async () => {
  const { tensors } = await read(model)
  const padded = Array.from(tensors.values(), ({ bytes }) => Math.ceil(bytes / 32) * 32)
  for (const maxBytes of [Math.max(...padded), 100_000, 10 ** 9]) {
    const counts: number[] = []
    for (const shard of await split(model, { maxBytes })) {
      const sizes = Array.from((await read(shard)).tensors.values(), ({ bytes }) => Math.ceil(bytes / 32) * 32)
      const size = sizes.reduce((sum, bytes) => sum + bytes, 0)
      assert.ok(size <= maxBytes)
      counts.push(sizes.length)
      const next = padded[counts.reduce((sum, count) => sum + count, 0)]
      assert.ok(next === undefined || size + next > maxBytes, 'the next tensor would have fitted')
    }
  }
})

for (const path of [MODEL, ...sharedGgufFiles('goldens'), ...sharedGgufFiles('vectors')]) {
  test(`${path}: merged shards have the tensors and metadata of the whole`, async () => {
    const bytes = new Uint8Array(readFileSync(path))
    const whole = await read(bytes)
    const entries = await readEntries(bytesSource(bytes), whole)
    const shards = await split(bytes, { maxTensors: 7 })
    const merged = shards.length > 1 ? await merge(shards) : await concat(mergeGguf(bytesSource(bytes), whole))
    assert.equal(await tensorsOf(merged), await tensorsOf(bytes))
    assert.equal(
      (await readEntries(bytesSource(merged), await read(merged))).map(({ raw }) => raw),
      entries.map(({ raw }) => raw),
    )
  })
}

test('the merged file is the one that was split, bit by bit, at any alignment', async () => {
  assert.equal(await merge(await split(model, { maxTensors: 20 })), model)
  const data = (length: number) => () => [Uint8Array.from({ length }, (_, i) => i)]
  const odd = await concat(
    writeGguf(
      [
        { key: 'general.alignment', type: 'uint32', value: 128 },
        { key: 'nested', type: 'array', of: 'uint16', value: [1, 2] },
      ],
      [3, 7, 33].map((size, i) => ({ name: `t${i}`, dimensions: [size], type: 'I8', data: data(size) })),
    ),
  )
  assert.equal(await merge(await split(odd, { maxTensors: 1 })), odd)
})

test('the first shard may have no tensors, and a model be split in one', async () => {
  const shards = await split(model, { maxTensors: 30, noTensorFirst: true })
  const counts = (await Promise.all(shards.map(read))).map(({ tensors }) => tensors.size)
  assert.equal(counts, [0, 30, (await read(model)).tensors.size - 30])
  assert.equal(await merge(shards), model)
  const whole = await split(model, {})
  assert.is(whole.length, 1)
  assert.equal(await merge(whole), model)
  await withFolder(async (folder) => {
    const [prefix, out] = [join(folder, 'one'), join(folder, 'merged.gguf')]
    assert.is((await cria(['gguf', 'split', MODEL, prefix])).code, 0)
    const merged = await cria(['gguf', 'merge', `${prefix}-00001-of-00001.gguf`, out])
    assert.is(merged.code, 0, merged.stderr)
    assert.equal(new Uint8Array(readFileSync(out)), model)
  })
})

test('bounds that cannot be kept are refused', async () => {
  for (const options of [
    { maxTensors: 0 },
    { maxBytes: 0.5 },
    { maxBytes: 100 },
    { maxTensors: 1, maxBytes: 10 ** 6 },
  ]) {
    await rejects(split(model, options), ArgumentError, 'SPLIT_SIZE')
  }
  const unknown = new Raw().header(1, 0).tensor('t', [4], 99, 0).pad(32).zeros(64).bytes
  await rejects(split(unknown, {}), UnsupportedError, 'TENSOR_TYPE')
  await rejects(set(unknown, 'a', '1', { type: 'uint8' }), UnsupportedError, 'TENSOR_TYPE')
})

test('a value that is set keeps its type; all else stays', async () => {
  const changed = await set(model, 'llama.context_length', '1024')
  const before = await readEntries(bytesSource(model), await read(model))
  const after = await readEntries(bytesSource(changed), await read(changed))
  assert.equal(await tensorsOf(changed), await tensorsOf(model))
  for (const [i, { key, type, raw, value }] of after.entries()) {
    assert.is(key, before[i]!.key)
    assert.is(type, before[i]!.type)
    if (key === 'llama.context_length') assert.is(value, 1024)
    else assert.equal(raw, before[i]!.raw)
  }
  assert.equal(await set(changed, 'llama.context_length', '512'), model)
})

test('each type takes its values and no others', async () => {
  const taken: [type: NonNullable<SetOptions['type']>, text: string, value: unknown][] = [
    ['uint8', '255', 255],
    ['int8', '-128', -128],
    ['uint64', '18446744073709551615', 18446744073709551615n],
    ['int64', '-9', -9],
    ['float32', '1e-5', Math.fround(1e-5)],
    ['float64', '-.5', -0.5],
    ['float64', '1e39', 1e39],
    ['bool', 'true', true],
    ['bool', '0', false],
    ['string', ' 12 ', ' 12 '],
  ]
  for (const [type, text, value] of taken) {
    const bytes = await set(model, 'new.key', text, { type })
    assert.is((await read(bytes)).metadata.get('new.key'), value, `${type} ${text}`)
    assert.is((await readEntries(bytesSource(bytes), await read(bytes))).at(-1)!.type, type)
  }
  for (const [type, text] of [
    ['uint8', '256'],
    ['uint32', '-1'],
    ['int32', '1.5'],
    ['int32', ''],
    ['float32', 'nan'],
    ['float32', '1e39'],
    ['float64', '1e999'],
    ['bool', 'yes'],
  ] as const) {
    await rejects(set(model, 'new.key', text, { type }), ArgumentError, 'METADATA_VALUE')
  }
})

test('keys that are absent, arrays and other types are refused', async () => {
  await rejects(set(model, 'llama.context_lenght', '1'), ArgumentError, 'METADATA_KEY')
  await rejects(set(model, 'tokenizer.ggml.tokens', 'x'), ArgumentError, 'METADATA_TYPE')
  await rejects(set(model, 'llama.context_length', '1', { type: 'uint64' }), ArgumentError, 'METADATA_TYPE')
})

test('a new alignment moves the tensors', async () => {
  const moved = await set(model, 'general.alignment', '4096', { type: 'uint32' })
  assert.ok([...(await read(moved)).tensors.values()].every(({ offset }) => offset % 4096 === 0))
  assert.equal(await tensorsOf(moved), await tensorsOf(model))
  await rejects(set(model, 'general.alignment', '2097152', { type: 'uint32' }), ArgumentError, 'ALIGNMENT')
})

test('the command line splits, merges and sets', () =>
  withFolder(async (folder) => {
    const [prefix, merged] = [join(folder, 'part'), join(folder, 'merged.gguf')]
    const planned = await cria(['gguf', 'split', MODEL, prefix, '--split-max-tensors', '20', '--dry-run'])
    assert.equal(readdirSync(folder), [])
    const done = await cria(['gguf', 'split', MODEL, prefix, '--split-max-tensors', '20'])
    assert.is(done.code, 0, done.stderr)
    assert.is(done.stdout, planned.stdout)
    const parts = readdirSync(folder).sort()
    assert.equal(
      parts,
      [1, 2, 3].map((no) => `part-0000${no}-of-00003.gguf`),
    )
    const again = await cria(['gguf', 'split', MODEL, prefix, '--split-max-tensors', '20'])
    assert.match(again.stderr, /FILE_EXISTS/)
    const first = join(folder, parts[0]!)
    assert.is((await cria(['gguf', 'merge', first, merged])).code, 0)
    assert.equal(new Uint8Array(readFileSync(merged)), model)
    assert.match((await cria(['gguf', 'merge', first, merged])).stderr, /FILE_EXISTS/)
    assert.match((await cria(['gguf', 'merge', merged, join(folder, 'x.gguf')])).stderr, /NO_SHARDS/)
    assert.match((await cria(['gguf', 'merge', join(folder, parts[1]!), join(folder, 'x.gguf')])).stderr, /SHARD_ORDER/)

    assert.match((await cria(['gguf', 'set', merged, 'general.name', 'New'])).stderr, /FILE_EXISTS/)
    assert.equal(new Uint8Array(readFileSync(merged)), model)
    const changed = await cria(['gguf', 'set', merged, 'general.name', 'New', '--force'])
    assert.match(changed.stderr, /general\.name = New, was stories260K/)
    assert.is((await read(new Uint8Array(readFileSync(merged)))).metadata.get('general.name'), 'New')
    assert.match((await cria(['gguf', 'set', merged, 'nope', 'x', '--force'])).stderr, /METADATA_KEY/)
    assert.equal(readdirSync(folder).sort(), ['merged.gguf', ...parts])
  }))

test('nothing half-written is left where the disk is full, and no shard of a split that failed', () =>
  withFolder(async (folder) => {
    // The shell's limit on the size of a file stands for the disk's: the second shard is too large for it.
    const tensors = [32, 600_000].map((size, i) => ({
      name: `t${i}`,
      dimensions: [size],
      type: 'I8',
      data: () => [new Uint8Array(size)],
    }))
    const name = { key: 'general.name', type: 'string', value: 'Old' } as const
    writeFileSync(join(folder, 'model.gguf'), await concat(writeGguf([name], tensors)))
    for (const args of [
      ['split', 'model.gguf', 'part', '--split-max-tensors', '1'],
      ['set', 'model.gguf', 'general.name', 'New', 'new.gguf'],
    ]) {
      const paths = args.map((arg) => (/^(model\.gguf|part|new\.gguf)$/.test(arg) ? join(folder, arg) : arg))
      const failed = await command('sh', [
        '-c',
        'ulimit -f 600 && exec "$0" "$@"',
        process.execPath,
        CLI,
        'gguf',
        ...paths,
      ])
      assert.is(failed.code, 1)
      assert.match(failed.stderr, /EFBIG/)
      assert.equal(readdirSync(folder), ['model.gguf'])
    }
  }))

test('what is no file is not replaced, even by force', () =>
  withFolder(async (folder) => {
    const pipe = join(folder, 'pipe')
    mkdirSync(join(folder, 'inner'))
    assert.is((await command('mkfifo', [pipe])).code, 0)
    for (const out of ['pipe', 'inner']) {
      const refused = await cria(['gguf', 'set', MODEL, 'general.name', 'New', join(folder, out), '--force'])
      assert.is(refused.code, 1)
      assert.match(refused.stderr, /FILE_WRITE/)
    }
    assert.ok(statSync(pipe).isFIFO())
    assert.equal(readdirSync(folder).sort(), ['inner', 'pipe'])
  }))

test('what a link leads to is replaced, and keeps its permissions', () =>
  withFolder(async (folder) => {
    const [file, link] = [join(folder, 'real.gguf'), join(folder, 'link.gguf')]
    writeFileSync(file, model, { mode: 0o600 })
    symlinkSync('real.gguf', link)
    const done = await cria(['gguf', 'set', link, 'general.name', 'renamed', '--force'])
    assert.is(done.code, 0, done.stderr)
    assert.equal([lstatSync(link).isSymbolicLink(), statSync(file).mode & 0o777], [true, 0o600])
    assert.is((await read(readFileSync(file))).metadata.get('general.name'), 'renamed')
  }))

test('dump tells types as they stand in the file', async () => {
  const shown = await cria(['gguf', 'dump', MODEL])
  assert.match(shown.stdout, /uint32 +llama\.context_length +512\n/)
  assert.match(shown.stdout, /string\[512\] +tokenizer\.ggml\.tokens +\["<unk>", /)
  assert.match(shown.stdout, /F16 +64 × 512 +14464 +65536 +token_embd\.weight\n/)
  const json = JSON.parse((await cria(['gguf', 'dump', MODEL, '--json', '--no-tensors'])).stdout)
  assert.equal(json.metadata['tokenizer.ggml.scores'].type, 'array')
  assert.equal(json.metadata['tokenizer.ggml.scores'].of, 'float32')
  assert.not.ok('tensors' in json)
})

test('dump shows as many tensors as there are', () =>
  withFolder(async (folder) => {
    // More than a call takes arguments.
    const tensors = Array.from({ length: 150_000 }, (_, i) => ({
      name: `t${i}`,
      dimensions: [1],
      type: 'I8',
      data: () => [new Uint8Array(1)],
    }))
    const path = join(folder, 'many.gguf')
    writeFileSync(path, await concat(writeGguf([], tensors)))
    const shown = await cria(['gguf', 'dump', path])
    assert.is(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, /\n +150000 +I8 .* t149999\n$/)
  }))

test('wrong usage is told', async () => {
  const wrong = [
    [],
    ['nope'],
    ['split', MODEL],
    ['split', MODEL, 'x', '--split-max-size', '3T'],
    ['split', MODEL, 'x', '--json'],
    ['merge', MODEL, 'x', '--type', 'bool'],
    ['set', MODEL, 'x'],
    ['dump', MODEL, 'x'],
  ]
  for (const args of wrong) assert.is((await cria(['gguf', ...args])).code, 2, args.join(' '))
})

test.run()
