/** Small llama models as files, what quantizing makes of them, and types of tensors as the references say them. */
import { readGguf } from '../js/gguf/reader.ts'
import type { Gguf } from '../js/gguf/types.ts'
import { type MetadataEntry, type TensorEntry, writeGguf } from '../js/gguf/writer.ts'
import { bytesSource } from '../js/source/memory.ts'
import { concat } from './gguf-helpers.ts'
import { random } from './kernel-harness.ts'

export interface ModelSpec {
  layers?: number
  dim?: number
  ffn?: number
  vocabulary?: number
  experts?: number
  alignment?: number
  /** Changes the weights, by tensor name. */
  edit?: (name: string, values: Float32Array) => void
  metadata?: MetadataEntry[]
}

const uint32 = (key: string, value: number): MetadataEntry => ({ key, type: 'uint32', value })

/** A llama of random F32 weights, as a GGUF file; metadata of every value type. */
export async function makeModel(spec: ModelSpec = {}): Promise<Uint8Array> {
  const { layers = 1, dim = 256, ffn = 512, vocabulary = 64, experts = 0, alignment = 32, edit, metadata = [] } = spec
  const given = new Set(metadata.map(({ key }) => key))
  const entries: MetadataEntry[] = [
    { key: 'general.architecture', type: 'string', value: 'llama' },
    uint32('general.alignment', alignment),
    uint32('general.file_type', 0),
    uint32('llama.context_length', 512),
    uint32('llama.vocab_size', vocabulary),
    uint32('llama.embedding_length', dim),
    uint32('llama.block_count', layers),
    uint32('llama.feed_forward_length', ffn),
    uint32('llama.attention.head_count', 4),
    uint32('llama.attention.head_count_kv', 2),
    { key: 'llama.attention.layer_norm_rms_epsilon', type: 'float32', value: 1e-5 },
    ...(experts ? [uint32('llama.expert_count', experts), uint32('llama.expert_used_count', 2)] : []),
    { key: 'test.i8', type: 'int8', value: -2 },
    { key: 'test.f64', type: 'float64', value: 3 },
    { key: 'test.u64', type: 'uint64', value: 7 },
    { key: 'test.flags', type: 'array', of: 'bool', value: [true, false] },
    { key: 'test.none', type: 'array', of: 'int16', value: [] },
    uint32('split.count', 1),
  ]
  const next = random(11)
  const tensor = (name: string, ...dimensions: number[]): TensorEntry => {
    const values = new Float32Array(dimensions.reduce((product, size) => product * size, 1))
    for (let i = 0; i < values.length; i++) values[i] = (next() + next() + next() - 1.5) * 0.05
    edit?.(name, values)
    return { name, dimensions, type: 'F32', data: () => [new Uint8Array(values.buffer)] }
  }
  const wide = (name: string, ...size: number[]) =>
    experts ? tensor(`${name}_exps.weight`, ...size, experts) : tensor(`${name}.weight`, ...size)
  const layer = (i: number): TensorEntry[] => [
    tensor(`blk.${i}.attn_norm.weight`, dim),
    tensor(`blk.${i}.attn_q.weight`, dim, dim),
    tensor(`blk.${i}.attn_k.weight`, dim, dim / 2),
    tensor(`blk.${i}.attn_v.weight`, dim, dim / 2),
    tensor(`blk.${i}.attn_output.weight`, dim, dim),
    tensor(`blk.${i}.ffn_norm.weight`, dim),
    ...(experts ? [tensor(`blk.${i}.ffn_gate_inp.weight`, dim, experts)] : []),
    wide(`blk.${i}.ffn_gate`, dim, ffn),
    wide(`blk.${i}.ffn_up`, dim, ffn),
    wide(`blk.${i}.ffn_down`, ffn, dim),
  ]
  const tensors = [
    tensor('token_embd.weight', dim, vocabulary),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    tensor('output_norm.weight', dim),
    tensor('output.weight', dim, vocabulary),
  ]
  return concat(writeGguf([...entries.filter(({ key }) => !given.has(key)), ...metadata], tensors))
}

/** The model in two shards, as llama-gguf-split makes them. */
export async function splitModel(file: Uint8Array): Promise<Uint8Array[]> {
  const { entries, tensors } = await header(file)
  const all = [...tensors.values()]
  const kept = [...entries].filter(([key]) => !key.startsWith('split.') && key !== 'general.alignment')
  const raw = kept.map(([key, [start, end]]) => ({ key, raw: file.subarray(start, end) }))
  const halves = [all.slice(0, 5), all.slice(5)]
  return Promise.all(
    halves.map((half, i) => {
      const split: MetadataEntry[] = [
        uint32('general.alignment', 32),
        { key: 'split.no', type: 'uint16', value: i },
        { key: 'split.count', type: 'uint16', value: halves.length },
        { key: 'split.tensors.count', type: 'int32', value: all.length },
      ]
      const entriesOf = half.map(
        ({ name, type, dimensions, offset, bytes }): TensorEntry => ({
          name,
          type,
          dimensions,
          data: () => [file.subarray(offset, offset + bytes)],
        }),
      )
      return concat(writeGguf([...raw, ...split], entriesOf))
    }),
  )
}

/** The model with a tensor for each expert, as older files have them. */
export async function unstackExperts(file: Uint8Array): Promise<Uint8Array> {
  const { entries, tensors } = await header(file)
  const kept = [...entries].filter(([key]) => key !== 'general.alignment')
  const raw = kept.map(([key, [start, end]]) => ({ key, raw: file.subarray(start, end) }))
  const split = [...tensors.values()].flatMap(({ name, type, dimensions, offset, bytes }): TensorEntry[] => {
    const stack = /^(.*)_exps\.weight$/.exec(name)?.[1]
    const count = stack === undefined ? 1 : dimensions[2]!
    return Array.from({ length: count }, (_, i) => ({
      name: stack === undefined ? name : `${stack}.${i}.weight`,
      type,
      dimensions: stack === undefined ? dimensions : dimensions.slice(0, 2),
      data: () => [file.subarray(offset + (i * bytes) / count, offset + ((i + 1) * bytes) / count)],
    }))
  })
  return concat(writeGguf(raw, split))
}

export function header(file: Uint8Array): Promise<Gguf> {
  return readGguf(bytesSource(file))
}

/** The bytes of one tensor. */
export async function tensorBytes(file: Uint8Array, name: string): Promise<Uint8Array> {
  const { offset, bytes } = (await header(file)).tensors.get(name)!
  return file.slice(offset, offset + bytes)
}

/** Importance by tensor: f32 [experts, columns]. */
export type Importance = Record<string, { columns: number; values: Float32Array }>

/** As llama.cpp's imatrix tool writes it: sums over so many calls. */
export function makeImatrix(importance: Importance, calls = 4): Promise<Uint8Array> {
  const tensors = Object.entries(importance).flatMap(([name, { columns, values }]): TensorEntry[] => {
    const experts = values.length / columns
    const sums = values.map((value) => value * calls)
    const counts = new Float32Array(experts).fill(calls)
    return [
      { name: `${name}.in_sum2`, dimensions: [columns, experts], type: 'F32', data: () => [bytesOf(sums)] },
      { name: `${name}.counts`, dimensions: [1, experts], type: 'F32', data: () => [bytesOf(counts)] },
    ]
  })
  const metadata: MetadataEntry[] = [
    { key: 'general.type', type: 'string', value: 'imatrix' },
    { key: 'imatrix.datasets', type: 'array', of: 'string', value: ['text.txt'] },
    uint32('imatrix.chunk_count', 7),
    uint32('imatrix.chunk_size', 512),
  ]
  return concat(writeGguf(metadata, tensors))
}

/** The same in the format before GGUF. */
export function makeLegacyImatrix(importance: Importance, calls = 4): Uint8Array {
  const int = (value: number) => new Uint8Array(Int32Array.of(value).buffer)
  const text = (value: string) => [int(value.length), new TextEncoder().encode(value)]
  const entries = Object.entries(importance).flatMap(([name, { values }]) => [
    ...text(name),
    int(calls),
    int(values.length),
    bytesOf(values.map((value) => value * calls)),
  ])
  return new Uint8Array(Buffer.concat([int(Object.keys(importance).length), ...entries, int(7), ...text('text.txt')]))
}

export function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength)
}

/** Layers in order as runs: `0-3 6`. */
function runs(layers: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < layers.length; ) {
    let j = i
    while (layers[j + 1] === layers[j]! + 1) j++
    parts.push(i === j ? `${layers[i]}` : `${layers[i]}-${layers[j]}`)
    i = j + 1
  }
  return parts.join(' ')
}

/** The tensors whose type is neither `own` nor F32, by type, part and layers, as tests/tools/quantize-mixes.json says it. */
export function otherTypes(tensors: Iterable<{ name: string; type: string }>, own: string): Record<string, string> {
  const found: Record<string, Record<string, number[]>> = {}
  for (const { name, type } of tensors) {
    if (type === own || type === 'F32') continue
    const [, layer, part] = /^(?:blk\.(\d+)\.)?(.*)\.weight$/.exec(name)!
    found[type] ??= {}
    found[type][part!] ??= []
    if (layer !== undefined) found[type][part!]!.push(Number(layer))
  }
  const lines = Object.entries(found).map(([type, parts]) => {
    const texts = Object.entries(parts).map(([part, layers]) => `${part} ${runs(layers)}`.trim())
    return [type, texts.join(', ')]
  })
  return Object.fromEntries(lines)
}
