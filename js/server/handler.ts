/** OpenAI's API, and llama-server's, as a function from a Request to a Response. */

import type { Context } from 'hono'
import { cors } from 'hono/cors'
import { Hono } from 'hono/tiny'
import type { EmbedOptions, GenerateResult, Model, ModelStatus } from '../api/types.ts'
import { checkObject, checkTypes, invalid } from '../util/check.ts'
import { readBody } from './body.ts'
import { Call, type RequestLog } from './call.ts'
import { messagesOf, serveChat, templateOptions } from './chat.ts'
import { serveCompletions } from './completions.ts'
import { checkDefaults, type GenerationDefaults } from './defaults.ts'
import { serveEmbeddings } from './embeddings.ts'
import { ApiError, apiError, errorResponse } from './errors.ts'
import { Gate } from './gate.ts'
import { Metrics, type ServedModel } from './metrics.ts'
import { modelEntry, propsOf, tokenize } from './native.ts'
import { checkToken } from './options.ts'
import { type EmbeddingsBody, ENDPOINTS, type Endpoint, type GenerationBody } from './schemas.ts'
import { answerStream, answerWhole, type Served } from './serve.ts'
import { now } from './usage.ts'

export interface HandlerOptions {
  /** Keys of which requests must bring one, as `Authorization: Bearer KEY`; `/health` needs none. Default: none. */
  apiKeys?: readonly string[]
  /** Origins whose pages may use it, `'*'` for all; default: none, and requests of pages from elsewhere are refused. */
  cors?: string | readonly string[]
  /** Most bytes of a request's body; default 4 MiB. */
  bodyLimit?: number
  /** Requests of one model that are under way at once; default: as many as it runs generations at once. */
  parallel?: number
  /** Requests of one model that may wait for their turn; more are answered 429. Default 64. */
  queue?: number
  /** Milliseconds that a request may take, its body and waiting included; then it ends with 504. Default 600000. */
  timeout?: number
  /** Most tokens of an answer where a request does not say; default: to the end of the context. */
  maxTokens?: number
  /** Chat template in Jinja, or the name of a built-in one; default: the model's. */
  template?: string
  /** Further variables for the template; a request's `chat_template_kwargs` count more. */
  templateVariables?: Record<string, unknown>
  /** How tokens are chosen and where a text ends, where a request does not say: `{ temperature: 0.2, stop: ['\n'] }`. */
  defaults?: GenerationDefaults
  /** How embeddings are made. */
  embeddings?: Pick<EmbedOptions, 'pooling' | 'normalize'>
  /** Called when a request has been answered to its end. */
  onRequest?: (request: RequestLog) => void
  /** Called with errors whose details clients do not get; default: `console.error`. */
  onError?: (error: unknown) => void
}

/** What edge runtimes pass beside a request. */
export interface HandlerContext {
  /** Keeps the runtime from stopping work when the client has gone: it ends by itself then, and frees the model. */
  waitUntil?(work: Promise<unknown>): void
}

export type Handler = (request: Request, context?: HandlerContext) => Promise<Response>

interface Env {
  Bindings: { call: Call }
}

const HEALTH = ['/health', '/v1/health']
const DEFAULTS = { bodyLimit: 4194304, queue: 64, timeout: 600_000 }

/**
 * Serves models by OpenAI's API: chat, completions, models, and llama-server's health, props, tokenize, detokenize,
 * apply-template, metrics. docs/SERVER.md lists endpoints and parameters.
 *
 * @param models a model, which goes by its own name, or several by names of yours
 * @throws ArgumentError INVALID_OPTION for an option that is wrong
 */
export function createHandler(models: Model | Readonly<Record<string, Model>>, options: HandlerOptions = {}): Handler {
  const byName = modelsByName(models)
  const server = new Server(byName, checked(options))
  for (const { info } of byName.values()) checkDefaults(options.defaults ?? {}, info.vocabularySize)
  return (request, context) => server.handle(request, context)
}

function modelsByName(models: Model | Readonly<Record<string, Model>>): Map<string, Model> {
  if (typeof models !== 'object' || models === null) throw invalid('models', 'a model, or models by name', models)
  const single = typeof models.generate === 'function'
  const model = models as Model
  const map = new Map(single ? [[model.info.name || 'model', model]] : Object.entries(models as Record<string, Model>))
  for (const one of map.values()) {
    if (typeof one?.generate !== 'function') throw invalid('models', 'a model, or models by name', one)
  }
  if (map.size === 0) throw invalid('models', 'at least one model', models)
  return map
}

function checked(options: HandlerOptions): HandlerOptions & typeof DEFAULTS {
  checkObject(options)
  checkTypes(options, 'string', ['template'])
  checkTypes(options, 'function', ['onRequest', 'onError'])
  for (const value of [options.templateVariables, options.embeddings]) {
    if (value !== undefined) checkObject(value)
  }
  const settled = { ...DEFAULTS, ...options }
  for (const [name, least] of [
    ['bodyLimit', 1],
    ['parallel', 1],
    ['queue', 0],
    ['timeout', 1],
    ['maxTokens', 0],
  ] as const) {
    const value = settled[name]
    const whole = Number.isInteger(value) && value! >= least && value! <= 2147483647
    if (value !== undefined && !whole) throw invalid(name, `a whole number from ${least} to 2147483647`, value)
  }
  const { apiKeys, cors } = options
  const texts = (x: unknown): boolean => Array.isArray(x) && x.every((one) => typeof one === 'string')
  if (apiKeys !== undefined && !(texts(apiKeys) && apiKeys.every(Boolean))) {
    throw invalid('apiKeys', 'a list of texts that are not empty', apiKeys)
  }
  if (cors !== undefined && typeof cors !== 'string' && !texts(cors)) {
    throw invalid('cors', 'an origin or a list of them', cors)
  }
  return settled
}

class Server {
  private readonly app = new Hono<Env>()
  private readonly gates: ReadonlyMap<Model, Gate>
  private readonly metrics = new Metrics()
  private readonly started = now()
  /** Which methods each path has. */
  private readonly paths = new Map<string, string>()

  constructor(
    private readonly models: ReadonlyMap<string, Model>,
    private readonly options: HandlerOptions & typeof DEFAULTS,
  ) {
    this.gates = new Map([...models.values()].map((model) => [model, this.gateOf(model)]))
    this.guard()
    this.tell()
    this.serve()
    this.app.notFound((c) => this.nothing(c.req))
    this.app.onError((error, c) => errorResponse(this.toApiError(error, c.env.call)))
  }

  async handle(request: Request, context: HandlerContext = {}): Promise<Response> {
    const call = new Call(request, this.options.timeout)
    const work = async (): Promise<Response> => this.app.fetch(request, { call })
    const answered = work()
    const end = async (): Promise<void> => {
      const response = await answered
      const failure = await call.streaming
      const status = failure?.status ?? (call.gone ? 499 : response.status)
      this.metrics.answered(this.paths.has(call.path) ? call.path : 'other', status)
      const log = call.end(status)
      this.options.onRequest?.(log)
    }
    const ended = end()
    context.waitUntil?.(ended)
    ended.catch((error) => this.report(error))
    return answered
  }

  /** Who may ask: pages of origins that are allowed, whoever has a key. */
  private guard(): void {
    const { cors: allowed = [], apiKeys } = this.options
    const origins = typeof allowed === 'string' ? [allowed] : [...allowed]
    if (origins.length > 0) this.app.use(cors({ origin: origins.includes('*') ? '*' : origins }))
    this.app.use(async (c, next) => {
      const origin = c.req.header('origin')
      // Any page can send requests to a server on its reader's machine, if it cannot read the answers.
      if (origin !== undefined && !origins.includes('*') && !origins.includes(origin) && !sameHost(origin, c.req.url)) {
        throw new ApiError(403, 'origin_not_allowed', `Pages of ${origin} may not use this server.`, null, origin)
      }
      if (apiKeys?.length && !HEALTH.includes(c.req.path)) checkKey(c.req.header('authorization'), apiKeys)
      await next()
    })
  }

  private tell(): void {
    const { models, app } = this
    const get = (path: string, answer: (c: Context<Env>) => Response | Promise<Response>): void => {
      this.paths.set(path, 'GET, HEAD')
      app.get(path, answer)
    }
    for (const path of HEALTH) get(path, (c) => c.json({ status: 'ok' }))
    get('/v1/models', (c) =>
      c.json({ object: 'list', data: [...models].map(([name, model]) => modelEntry(name, model, this.started)) }),
    )
    app.get('/v1/models/:name{.+}', (c) => {
      const [name, model] = this.model(c.req.param('name'))
      return c.json(modelEntry(name, model, this.started))
    })
    get('/props', (c) => c.json(this.props(c.req.query('model'))))
    get('/metrics', async (c) =>
      c.body(this.metrics.text(await this.served()), 200, { 'content-type': 'text/plain; version=0.0.4' }),
    )
  }

  private serve(): void {
    const { chat, completions, embeddings, tokenize: tokens, detokenize, applyTemplate } = ENDPOINTS
    this.post(chat, (body, c) => this.generate(c, body, (name, model) => serveChat(body, name, model, this.options)))
    this.post(completions, (body, c) =>
      this.generate(c, body, (name, model) => serveCompletions(body, name, model, this.options)),
    )
    this.post(embeddings, (body, c) => this.embed(c, body))
    this.post(tokens, async (body) => Response.json(tokenize(this.model(body.model)[1], body)))
    this.post(detokenize, async ({ tokens: ids, model: name }) => {
      const [, model] = this.model(name)
      for (const id of ids) checkToken(id, model, 'tokens')
      return Response.json({ content: model.detokenize(ids, { special: true }) })
    })
    this.post(applyTemplate, async (body) => {
      const prompt = this.model(body.model)[1].applyTemplate(
        messagesOf(body.messages),
        templateOptions(body, this.options),
      )
      return Response.json({ prompt })
    })
  }

  /** There is no such address, or not with this method. */
  private nothing({ method, path }: { method: string; path: string }): Response {
    const allow = this.paths.get(path)
    const what = `There is no ${method} ${path}`
    if (!allow) return errorResponse(new ApiError(404, 'unknown_url', `${what}.`))
    const response = errorResponse(new ApiError(405, 'method_not_allowed', `${what}, but ${allow}.`))
    response.headers.set('allow', allow)
    return response
  }

  private post<T>(endpoint: Endpoint<T>, answer: (body: T, c: Context<Env>) => Promise<Response>): void {
    this.paths.set(endpoint.path, 'POST')
    this.app.post(endpoint.path, async (c) => {
      const { call } = c.env
      call.prompt = endpoint.required[0]!
      return answer(await readBody(c.req.raw, endpoint.body, this.options.bodyLimit, call.signal), c)
    })
  }

  private async generate(
    c: Context<Env>,
    body: GenerationBody,
    plan: (name: string, model: Model) => Served,
  ): Promise<Response> {
    const { call } = c.env
    const [name, model] = this.model(body.model)
    call.model = name
    const served = plan(name, model)
    const onResults = (results: GenerateResult[]): void => {
      for (const result of results) this.metrics.generated(result)
      call.results = results
    }
    if (!body.stream) {
      const { answer, results } = await this.gate(model).run(call.signal, () => answerWhole(served, call.signal))
      onResults(results)
      return c.json(answer)
    }
    const { response, finished } = await answerStream(served, {
      signal: call.signal,
      includeUsage: body.stream_options?.include_usage ?? false,
      enter: (work) => this.gate(model).run(call.signal, work),
      onResults,
      left: () => call.leave(),
      toError: (error) => this.toApiError(error, call),
    })
    call.streaming = finished
    return response
  }

  private async embed(c: Context<Env>, body: EmbeddingsBody): Promise<Response> {
    const { call } = c.env
    const [name, model] = this.model(body.model)
    call.model = name
    const { answer, tokens } = await this.gate(model).run(call.signal, () =>
      serveEmbeddings(body, name, model, { ...this.options.embeddings, signal: call.signal }),
    )
    call.results = [{ promptTokens: tokens, cachedTokens: 0, completionTokens: 0 }]
    return c.json(answer)
  }

  /** The model of that name; without one, the first. */
  private model(name?: string): [string, Model] {
    const [first] = this.models
    if (name === undefined) return first!
    const model = this.models.get(name)
    if (model) return [name, model]
    const names = [...this.models.keys()].join(', ')
    throw new ApiError(404, 'model_not_found', `There is no model ${name} here; there is ${names}.`, 'model', name)
  }

  private gateOf({ info }: Model): Gate {
    return new Gate(this.options.parallel ?? info.parallel, this.options.queue)
  }

  private props(asked: string | undefined): object {
    const [name, model] = this.model(asked)
    return propsOf(name, model, this.gate(model).parallel, this.options.template)
  }

  private served(): Promise<ServedModel[]> {
    const statusOfModel = async ([name, model]: [string, Model]): Promise<ServedModel> => {
      return { name, gate: this.gate(model), status: await statusOf(model) }
    }
    return Promise.all([...this.models].map(statusOfModel))
  }

  private gate(model: Model): Gate {
    return this.gates.get(model)!
  }

  private toApiError(error: unknown, call: Call): ApiError {
    // Whatever an abort made of it: it was the time, or the client.
    const found = apiError(call.signal.aborted ? call.signal.reason : error, call.prompt)
    if (found.status >= 500 && !(error instanceof ApiError)) this.report(error)
    return found
  }

  private report(error: unknown): void {
    const { onError = console.error } = this.options
    try {
      onError(error)
    } catch (thrown) {
      console.error(thrown)
    }
  }
}

/** Undefined of a model that is gone. */
async function statusOf(model: Model): Promise<ModelStatus | undefined> {
  return model.status().catch(() => undefined)
}

function sameHost(origin: string, url: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === new URL(url).host
}

/** @throws ApiError 401 */
function checkKey(authorization: string | undefined, keys: readonly string[]): void {
  const given = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? ''
  if (keys.filter((key) => same(given, key)).length > 0) return
  const message = 'The API key is missing or wrong: send it as Authorization: Bearer KEY.'
  throw new ApiError(401, 'invalid_api_key', message, null, undefined)
}

/** Takes the same time for every wrong key of a length. */
function same(given: string, key: string): boolean {
  let difference = given.length ^ key.length
  for (let i = 0; i < given.length; i++) difference |= given.charCodeAt(i) ^ key.charCodeAt(i)
  return difference === 0
}
