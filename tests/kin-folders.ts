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
