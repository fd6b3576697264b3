/**
 * `/openapi.json`: the server's interface in OpenAPI 3.1, made from what requests are checked by.
 * https://spec.openapis.org/oas/v3.1.1.html
 */
import type { ModelInfo } from '../api/types.ts'
import { ANSWERS, type AnswerShape, SHAPES } from './answers.ts'
import { DOES, TITLES } from './descriptions.ts'
import { READS, type Read } from './reads.ts'
import type { JsonSchema } from './rules.ts'
import { ENDPOINTS, type Endpoint } from './schemas.ts'
import { SLOT_ACTIONS } from './slot-actions.ts'
import { VERSION } from './usage.ts'

/** Responses by status, in words. */
const FAILURES = {
  400: 'The request is wrong: `param` names the field.',
  401: 'No key, or a wrong one.',
  403: 'The page or host is not allowed.',
  404: 'There is no such model or answer.',
  413: 'The body is too large.',
  429: 'Too many requests wait.',
  500: 'The server failed.',
  501: 'The model or the server has no such thing.',
  503: 'The server is ending, no slot is idle, or the model is gone.',
  504: 'The request took too long.',
} as const

type Status = keyof typeof FAILURES

const ALWAYS: readonly Status[] = [401, 403, 500, 503]
const WITH_BODY: readonly Status[] = [400, 404, 413, 504]
/** Beside those. */
const ALSO: Readonly<Record<string, readonly Status[]>> = {
  chat: [429],
  responses: [429],
  messages: [429],
  completions: [429],
  embeddings: [429],
  native: [429],
  infill: [429, 501],
  nativeEmbeddings: [429],
  model: [404],
  response: [400, 404],
  responseItems: [400, 404],
  deletedResponse: [404],
  props: [404],
  slots: [404, 501],
  slotAction: [429, 501],
}
const WITHOUT_KEY = ['health']
/** Whose errors have Anthropic's form. */
const ANTHROPIC = ['messages', 'countTokens']

const BEARER = { bearer: [] }
const HEADER = { apiKey: [] }

/**
 * @param keys whether requests need a key
 * @param models those that are served
 */
export function openApi(keys: boolean, models: readonly ModelInfo[]): object {
  const most = (size: keyof ModelInfo): number => Math.max(...models.map((model) => model[size] as number))
  const reads = Object.entries(READS).flatMap(([name, read]) => pathsOf(read.paths, 'get', readOf(name, read)))
  const endpoints = Object.entries(ENDPOINTS).flatMap(([name, endpoint]) =>
    pathsOf([endpoint.path, ...endpoint.also], 'post', endpointOf(name as keyof typeof ENDPOINTS)),
  )
  const deletion = { ...READS.response, title: 'Forgets it.' }
  const deletions = pathsOf(READS.response.paths, 'delete', readOf('deletedResponse', deletion))
  const slots = pathsOf([SLOT_ACTIONS.path], 'post', slotActions())
  const bodies = Object.entries(ENDPOINTS).map(([name, endpoint]) => [bodyName(name), bodyOf(name, endpoint)])
  return {
    openapi: '3.1.1',
    info: {
      title: 'cria',
      description: 'OpenAI’s API and llama-server’s.',
      version: VERSION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    // Beside this document, whatever path a proxy puts before both.
    servers: [{ url: '.' }],
    security: keys ? [BEARER, HEADER] : [{}, BEARER, HEADER],
    paths: byPath([...endpoints, ...reads, ...deletions, ...slots]),
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
      },
      responses: { ...failures('Error'), ...failures('MessageError') },
      schemas: {
        TokenId: { type: 'integer', minimum: 0, maximum: most('vocabularySize') - 1 },
        ContextLength: { type: 'integer', minimum: 0, maximum: most('context') },
        EmbeddingLength: { enum: [...new Set(models.map(({ embeddingLength }) => embeddingLength))] },
        ...Object.fromEntries(bodies),
        ...SHAPES,
      },
    },
  }
}

/** By names such as `Error400`. */
function failures(schema: 'Error' | 'MessageError'): Record<string, object> {
  const content = json({ $ref: `#/components/schemas/${schema}` })
  return Object.fromEntries(
    Object.entries(FAILURES).map(([status, description]) => [schema + status, { description, content }]),
  )
}

/** An item for each address, with all its methods. */
function byPath(operations: readonly [path: string, item: object][]): Record<string, object> {
  const paths: Record<string, object> = {}
  for (const [path, item] of operations) paths[path] = { ...paths[path], ...item }
  return paths
}

/** The addresses of an operation, each with a name of its own for it. */
function pathsOf(paths: readonly string[], method: string, operation: object): [path: string, item: object][] {
  return paths.map((path) => {
    const operationId = `${method}${path.replaceAll(/\W+/g, '_').replace(/_$/, '')}`
    return [path, { [method]: { operationId, ...operation } }]
  })
}

function readOf(name: string, { title, paths, parameters = {} }: Read): object {
  const inPath = (parameter: string): boolean => paths[0]!.includes(`{${parameter}}`)
  const all = Object.entries(parameters).map(([parameter, description]) => ({
    name: parameter,
    description,
    ...(inPath(parameter) ? { in: 'path', required: true } : { in: 'query' }),
    schema: { type: 'string' },
  }))
  return {
    summary: title,
    ...(all.length > 0 && { parameters: all }),
    responses: responses(name, ALWAYS),
    ...(WITHOUT_KEY.includes(name) && { security: [] }),
  }
}

function endpointOf(name: keyof typeof ENDPOINTS): object {
  return {
    summary: TITLES[name],
    requestBody: { required: true, content: json({ $ref: `#/components/schemas/${bodyName(name)}` }) },
    responses: responses(name, [...WITH_BODY, ...ALWAYS]),
  }
}

function slotActions(): object {
  const { title, body, path, parameters } = SLOT_ACTIONS
  return {
    summary: title,
    parameters: Object.entries(parameters).map(([name, parameter]) => ({
      name,
      in: path.includes(`{${name}}`) ? 'path' : 'query',
      ...parameter,
    })),
    requestBody: { required: false, content: json(body.schema) },
    responses: responses('slotAction', [...WITH_BODY, ...ALWAYS]),
  }
}

function responses(name: string, statuses: readonly Status[]): object {
  const answer = (ANSWERS as Record<string, AnswerShape>)[name]
  const content = {
    ...(answer ? json(answer.whole) : { 'text/plain': { schema: { type: 'string' } } }),
    ...(answer?.event && { 'text/event-stream': { schema: eventOf(answer.event, answer.last) } }),
  }
  const error = ANTHROPIC.includes(name) ? 'MessageError' : 'Error'
  const all = [...statuses, ...(ALSO[name] ?? [])].filter((status) => status !== 401 || !WITHOUT_KEY.includes(name))
  return {
    200: {
      description: answer?.event ? 'The answer, or with `stream` events with its parts.' : 'The answer.',
      content,
    },
    ...Object.fromEntries(all.map((status) => [status, { $ref: `#/components/responses/${error}${status}` }])),
  }
}

/** Of a stream, in the form that OpenAPI 3.2 gives events. */
function eventOf(data: JsonSchema, last: string | undefined): JsonSchema {
  const content = { type: 'string', contentMediaType: 'application/json', contentSchema: data }
  const any = last === undefined ? content : { anyOf: [content, { enum: [last] }] }
  return { type: 'object', properties: { data: any }, required: ['data'] }
}

function bodyName(name: string): string {
  return `${name[0]!.toUpperCase()}${name.slice(1)}Request`
}

/** With a description of each field. */
function bodyOf(name: string, { body, takes, idle, refused }: Endpoint): JsonSchema {
  const described = (field: string): string => {
    if (field in takes) return DOES[`${name}.${field}`] ?? DOES[field]!
    return field in idle ? 'Without any effect' : `This ${refused[field]!.words}`
  }
  const properties = Object.entries(body.schema.properties as Record<string, JsonSchema>)
  return {
    ...body.schema,
    properties: Object.fromEntries(
      properties.map(([field, schema]) => [field, { ...schema, description: described(field) }]),
    ),
  }
}

function json(schema: JsonSchema): object {
  return { 'application/json': { schema } }
}
