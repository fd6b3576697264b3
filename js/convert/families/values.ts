/** Values of config.json, checked. */
import { FormatError, UnsupportedError } from '../../errors.ts'
import type { Json } from '../../util/json.ts'
import type { HfConfig } from './family.ts'

/** Far above any real model; of tokens in a context. */
const MOST = 1 << 24
export const MOST_TOKENS = 1 << 30

/** @throws FormatError HF_CONFIG for what is missing or no whole number from 1 to `most` */
export function count(json: Json, key: string, most = MOST): number {
  const value = json[key]
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value
  throw wrong(key, `a whole number from 1 to ${most}`, value)
}

export function optionalCount(json: Json, key: string): number | undefined {
  return json[key] === undefined || json[key] === null ? undefined : count(json, key)
}

/** A number above 0. @throws FormatError HF_CONFIG */
export function positive(json: Json, key: string, fallback?: number): number {
  const value = json[key] ?? fallback
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
  throw wrong(key, 'a number above 0', value)
}

/** Numbers above 0. @throws FormatError HF_CONFIG for what is no array of `length` of them */
export function positives(json: Json, key: string, length: number): number[] {
  const values: unknown = json[key]
  const sound = (value: unknown): value is number => typeof value === 'number' && value > 0 && Number.isFinite(value)
  if (Array.isArray(values) && values.length === length && values.every(sound)) return values
  throw wrong(key, `an array of ${length} numbers above 0`, values)
}

export function wrong(key: string, rule: string, value: unknown): FormatError {
  const shown = value === undefined ? 'absent' : JSON.stringify(value)
  return new FormatError('HF_CONFIG', `config.json: ${key} should be ${rule}, but is ${shown}. Download it again.`, key)
}

/** @throws UnsupportedError HF_SETTING unless config.json has one of `allowed`, or nothing, for the key */
export function only({ json, family }: HfConfig, key: string, ...allowed: unknown[]): void {
  const value = json[key]
  if (value === undefined || allowed.includes(value)) return
  const should = allowed.map((one) => JSON.stringify(one)).join(' or ')
  const message = `config.json has ${key} ${JSON.stringify(value)}; GGUF's ${family.name} models have ${should}, and no file can say otherwise: its results would be wrong.`
  throw new UnsupportedError('HF_SETTING', message, key)
}
