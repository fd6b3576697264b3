/** Prompts of requests: texts, token ids, and what llama-server takes beside them. */
import type { Model } from '../api/types.ts'
import { badRequest } from './errors.ts'
import { type FieldRule, isObject, type JsonSchema, rule } from './rules.ts'

/** A text, or token ids. */
export type OnePrompt = string | number[]
/** One, or several. */
export type ApiPrompt = OnePrompt | OnePrompt[]

/** llama-server's forms of one: texts among token ids too, or an object with the prompt. */
export type NativeOne = string | (string | number)[] | { prompt_string: string } | { content: { text: string }[] }
export type NativePrompt = NativeOne | NativeOne[]

export const isTokenId = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0
const isText = (x: unknown): boolean => typeof x === 'string'

function isPrompt(x: unknown): boolean {
  return isText(x) || (Array.isArray(x) && x.length > 0 && x.every(isTokenId))
}

/** Texts among ids: at least one id, or it would be a list of prompts. */
function isMixed(x: unknown): boolean {
  return Array.isArray(x) && x.some(isTokenId) && x.every((one) => isTokenId(one) || isText(one))
}

function isPromptObject(x: unknown): boolean {
  if (!isObject(x)) return false
  const { prompt_string: prompt, content } = x
  const texts = (parts: unknown[]): boolean =>
    parts.every((part) => isObject(part) && part.type === 'text' && isText(part.text))
  if (prompt !== undefined) return isText(prompt) && Object.keys(x).length === 1
  return Array.isArray(content) && content.length > 0 && texts(content) && Object.keys(x).length === 1
}

const isNative = (x: unknown): boolean => isText(x) || isMixed(x) || isPromptObject(x)

const TEXT = { type: 'string' }
/** What a model's vocabulary has; `/openapi.json` says how many. */
export const TOKEN_ID = { $ref: '#/components/schemas/TokenId' }
const IDS = { type: 'array', items: TOKEN_ID, minItems: 1 }
/** Of {@link isMixed}. */
export const MIXED = { type: 'array', items: { anyOf: [TOKEN_ID, TEXT] }, contains: { type: 'integer' } }
const PROMPT_OBJECT = {
  type: 'object',
  properties: { prompt_string: TEXT },
  required: ['prompt_string'],
  additionalProperties: false,
}
const TEXT_PART = { type: 'object', properties: { type: { enum: ['text'] }, text: TEXT }, required: ['type', 'text'] }
const CONTENT_OBJECT = {
  type: 'object',
  properties: { content: { type: 'array', items: TEXT_PART, minItems: 1 } },
  required: ['content'],
  additionalProperties: false,
}

function several(one: (x: unknown) => boolean, most: number): (x: unknown) => boolean {
  return (x) => one(x) || (Array.isArray(x) && x.length > 0 && x.length <= most && x.every(one))
}

export function prompts(most: number): FieldRule<ApiPrompt> {
  const words = `a text, a list of token ids, or a list of 1 to ${most} of them`
  return rule(words, several(isPrompt, most), orSeveral([TEXT, IDS], most))
}

export function nativePrompts(most: number): FieldRule<NativePrompt> {
  const words = `a text, a list of token ids and texts, { "prompt_string": text }, or a list of 1 to ${most} of them`
  return rule(words, several(isNative, most), orSeveral([TEXT, MIXED, PROMPT_OBJECT, CONTENT_OBJECT], most))
}

function orSeveral(one: readonly JsonSchema[], most: number): JsonSchema {
  return { anyOf: [...one, { type: 'array', items: { anyOf: one }, minItems: 1, maxItems: most }] }
}

/** One text or list of ids each. `param`: the field that holds them. */
export function promptsOf(prompt: ApiPrompt, model: Model, param: string): OnePrompt[] {
  const single = typeof prompt === 'string' || typeof prompt[0] === 'number'
  const prompts = (single ? [prompt] : prompt) as OnePrompt[]
  for (const ids of prompts) if (typeof ids !== 'string') for (const id of ids) checkToken(id, model, param)
  return prompts
}

/** The ids of each. BOS comes where a text is first, as in llama-server. */
export function nativePromptsOf(prompt: NativePrompt, model: Model, param: string): number[][] {
  const several = Array.isArray(prompt) && !isMixed(prompt)
  return ((several ? prompt : [prompt]) as NativeOne[]).map((one) => {
    if (typeof one === 'string') return model.tokenize(one)
    if (Array.isArray(one)) return mixedIds(one, model, param, true)
    if ('prompt_string' in one) return model.tokenize(one.prompt_string)
    return model.tokenize(one.content.map(({ text }) => text).join(''))
  })
}

/** @param special whether what comes first may be BOS */
export function mixedIds(
  parts: readonly (string | number)[],
  model: Model,
  param: string,
  special: boolean,
  parseSpecial = true,
): number[] {
  return parts.flatMap((part, i) => {
    if (typeof part === 'string')
      return model.tokenize(part, { special: parseSpecial, ...(!(special && i === 0) && { bos: false }) })
    checkToken(part, model, param)
    return part
  })
}

export function checkToken(id: number, { info }: Model, param: string): void {
  if (id < info.vocabularySize) return
  throw badRequest(param, `${param}: there is no token ${id}; ids are 0 to ${info.vocabularySize - 1}.`, id)
}
