/** The folders of tests/fixtures/huggingface-kin, and what llama.cpp's converter and transformers make of them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Outtype } from '../js/convert/huggingface.ts'

export const FIXTURES = fileURLToPath(new URL('fixtures/huggingface-kin/', import.meta.url))

interface KinTensor {
  type: string
  dimensions: number[]
  /** The first 16 digits. */
  sha256: string
}

export interface KinModel {
  /** A folder of `vocabularies`. */
  vocabulary: string
  metadata: Record<string, unknown>
  /** Of f32 all, of the others those that differ. */
  tensors: Record<Outtype, Record<string, KinTensor>>
  texts: { text: string; ids: number[] }[]
  ids: number[]
  /** After the last of `ids`. */
  lastLogits: number[]
  /** The same with a context beyond the original one. */
  lastLogitsOfLongContext?: number[]
}

const expected: { models: Record<string, KinModel>; arrays: Record<string, unknown[]> } = JSON.parse(
  readFileSync(join(FIXTURES, 'expected.json'), 'utf8'),
)

export const MODELS: ReadonlyMap<string, KinModel> = new Map(Object.entries(expected.models))

/** The files of a folder: its own, and those of its vocabulary. `config` stands in the place of config.json. */
export function kinFolder(name: string, config = 'config.json'): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const folder of [join('vocabularies', MODELS.get(name)!.vocabulary), name]) {
    for (const file of readdirSync(join(FIXTURES, folder))) {
      files.set(file, new Uint8Array(readFileSync(join(FIXTURES, folder, file))))
    }
  }
  files.set('config.json', files.get(config)!)
  files.delete('config-4.json')
  return files
}

/** A metadata value from a file or from JSON: arrays of booleans are of 0 and 1, floats those of f32. */
export function plain(value: unknown): unknown {
  if (typeof value === 'number') return Math.fround(value)
  if (typeof value !== 'object') return value
  return Array.from(value as ArrayLike<unknown>, (item) => (typeof item === 'boolean' ? Number(item) : plain(item)))
}

/** In llama.cpp's order. */
export function metadataOf({ metadata }: KinModel): [key: string, value: unknown][] {
  return Object.entries(metadata).map(([key, value]) => {
    const { array } = (value ?? {}) as { array?: string }
    return [key, plain(array === undefined ? value : expected.arrays[array])]
  })
}

/** By name, in the order of names. */
export function tensorsOf({ tensors }: KinModel, outtype: Outtype): Map<string, KinTensor> {
  const all = Object.entries({ ...tensors.f32, ...tensors[outtype] })
  return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A tensor of a safetensors file. */
export interface FolderTensor {
  dtype: string
  /** Slowest first. */
  shape: number[]
  data: Uint8Array
}

const WEIGHTS = 'model.safetensors'

export function jsonIn(files: ReadonlyMap<string, Uint8Array>, name: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(files.get(name)!).toString('utf8'))
}

export function setJson(files: Map<string, Uint8Array>, name: string, json: unknown): void {
  files.set(name, Buffer.from(JSON.stringify(json)))
}

/** The tensors of model.safetensors. */
export function tensorsIn(files: ReadonlyMap<string, Uint8Array>): Map<string, FolderTensor> {
  const bytes = Buffer.from(files.get(WEIGHTS)!)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header: Record<string, FolderTensor & { data_offsets: [number, number] }> = JSON.parse(
    bytes.toString('utf8', 8, start),
  )
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__')
  return new Map(
    tensors.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        return [name, { dtype, shape, data: new Uint8Array(bytes.subarray(start + from, start + to)) }]
      },
    ),
  )
}

/** A safetensors file. */
export function safetensors(tensors: ReadonlyMap<string, FolderTensor>): Uint8Array {
  let end = 0
  const infos = Array.from(tensors, ([name, { dtype, shape, data }]) => {
    end += data.length
    return [name, { dtype, shape, data_offsets: [end - data.length, end] }] as const
  })
  const header = Buffer.from(JSON.stringify(Object.fromEntries(infos)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, header, ...Array.from(tensors.values(), ({ data }) => data)])
}

export function setTensors(files: Map<string, Uint8Array>, tensors: ReadonlyMap<string, FolderTensor>): void {
  files.set(WEIGHTS, safetensors(tensors))
}
