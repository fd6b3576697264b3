/** OpenAI's API, and llama-server's, as a function from a Request to a Response. */

import type { Context } from 'hono'
import { cors } from 'hono/cors'
import { Hono } from 'hono/tiny'
import type { GenerateResult, Model, ModelStatus } from '../api/types.ts'
import { GrammarError } from '../errors.ts'
import { ANTHROPIC_NAMES, anthropicChat, anthropicPrompt, serveAnthropic } from './anthropic.ts'
import { readBody } from './body.ts'
import { Call } from './call.ts'
import { serveChat } from './chat.ts'
import { serveCompletions } from './completions.ts'
import { checkDefaults } from './defaults.ts'
import { type Embedded, serveEmbeddings, serveNativeEmbeddings } from './embeddings.ts'
import { ApiError, anthropicError, apiError, errorResponse, RETRY_AFTER, renamed } from './errors.ts'
import type { GenerationBody } from './generation-fields.ts'
import { checkKey, checkOrigin, isAllowed } from './guard.ts'
import { type HandlerOptions, type ResolvedOptions, resolveOptions } from './handler-options.ts'
import { Metrics, type ServedModel } from './metrics.ts'
import { Models, modelsByName, type NamedModel } from './models.ts'
import { modelEntry, propsOf, tokenize } from './native.ts'
import { serveInfill, serveNative } from './native-completions.ts'
import { openApi } from './openapi.ts'
import { constraintField, toolsField } from './options.ts'
import { insteadOf, isAnthropic, normalPath } from './paths.ts'
import { checkToken } from './prompts.ts'
import { READS, type Read } from './reads.ts'
import { ResponseStore } from './response-store.ts'
import { asChat, RESPONSE_NAMES, serveResponse } from './responses.ts'
import { type ChatBody, ENDPOINTS, type Endpoint } from './schemas.ts'
import { answerStream, answerWhole, type Served } from './serve.ts'
import { generationSettings } from './settings.ts'
import { actOnSlot, SLOT_ACTIONS } from './slot-actions.ts'
import { RequestSlots } from './slots.ts'
import { deleteResponse, inputItems, storedResponse } from './stored-responses.ts'
import { promptIds, renderedPrompt } from './template.ts'
import { now } from './usage.ts'

/** What edge runtimes pass beside a request. */
export interface HandlerContext {
  /** Keeps the runtime from stopping work when the client has gone: it ends by itself then, and frees the model. */
  waitUntil?(work: Promise<unknown>): void
}

export type Handler = (request: Request, context?: HandlerContext) => Promise<Response>

interface Env {
  Bindings: { call: Call }
}

/**
 * Serves models by OpenAI's API and llama-server's. docs/SERVER.md lists endpoints and parameters.
 *
 * @param models a model, which goes by its own name, or several by names of yours
 * @throws ArgumentError INVALID_OPTION for an option that is wrong
 */
export function createHandler(models: Model | Readonly<Record<string, Model>>, options: HandlerOptions = {}): Handler {
  const named = modelsByName(models)
  const resolved = resolveOptions(options, [...named.keys()])
  for (const { info } of named.values()) checkDefaults(resolved.defaults ?? {}, info.vocabularySize)
  const server = new Server(named, resolved)
  return (request, context) => server.handle(request, context)
}

class Server {
  private readonly app = new Hono<Env>({ getPath: ({ url }) => normalPath(new URL(url).pathname) })
  private readonly models: Models
  private readonly metrics = new Metrics()
  private readonly started = now()
  private readonly responses: ResponseStore
  /** Which methods each path has. */
  private readonly paths = new Map<string, string>()

  constructor(
    models: ReadonlyMap<string, Model>,
    private readonly options: ResolvedOptions,
  ) {
    this.models = new Models(models, options.about ?? {}, options.strictModel, options)
    this.responses = new ResponseStore(options.storedResponses)
    this.guard()
    this.tell()
    this.serve()
    this.app.notFound((c) => this.nothing(c.req))
    this.app.onError((error, c) => failed(c.req.path, this.toApiError(error, c.env.call)))
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

  private guard(): void {
    const { cors: allowed = [], apiKeys } = this.options
    const origins = typeof allowed === 'string' ? [allowed] : [...allowed]
    const origin = (given: string): string | undefined => (isAllowed(given, origins) ? given : undefined)
    if (origins.length > 0) this.app.use(cors({ origin: origins.includes('*') ? '*' : origin }))
    this.app.use(async (c, next) => {
      checkOrigin(c.req.raw, origins)
      if (apiKeys?.length && !READS.health.paths.includes(c.req.path)) checkKey(c.req.raw, apiKeys)
      await next()
    })
  }

  private tell(): void {
    const { models, app, options } = this
    const get = ({ paths }: Read, answer: (c: Context<Env>) => Response | Promise<Response>): void => {
      for (const path of paths) {
        // Addresses whose end is free are told of as others are that there are not.
        if (!path.includes('{')) this.paths.set(path, 'GET, HEAD')
        app.get(pattern(path), answer)
      }
    }
    get(READS.health, (c) => c.json({ status: 'ok' }))
    get(READS.models, (c) => c.json({ object: 'list', data: models.all.map((one) => modelEntry(one, this.started)) }))
    get(READS.model, (c) => {
      const name = c.req.param('name')!
      const model = models.named(name)
      if (!model) throw models.unknown(name)
      return c.json(modelEntry(model, this.started))
    })
    // The longer address first: the end of the other is free.
    get(READS.responseItems, (c) => c.json(inputItems(this.responses, c.req.param('id')!, c.req.query())))
    get(READS.response, (c) => c.json(storedResponse(this.responses, c.req.param('id')!, c.req.query())))
    for (const path of READS.response.paths) {
      app.delete(pattern(path), (c) => c.json(deleteResponse(this.responses, c.req.param('id')!)))
    }
    get(READS.props, (c) => c.json(propsOf(models.find(c.req.query('model')), options)))
    get(READS.slots, (c) => this.tellSlots(c))
    const infos = models.all.map(({ model }) => model.info)
    get(READS.openapi, (c) => c.json(openApi((options.apiKeys ?? []).length > 0, infos)))
    get(READS.metrics, async (c) =>
      c.body(this.metrics.text(await this.served()), 200, {
        'content-type': 'text/plain; version=0.0.4',
        'process-start-time-unix': String(this.started),
      }),
    )
  }

  private serve(): void {
    const { models, options } = this
    const { chat, completions, native, infill, embeddings, nativeEmbeddings } = ENDPOINTS
    this.post(chat, (body, c) => this.generate(c, body, ({ name, model }) => serveChat(body, name, model, options)))
    this.post(ENDPOINTS.responses, (body, c) => {
      c.env.call.names = RESPONSE_NAMES
      const asked = asChat(body, this.responses)
      const store = this.responses
      return this.generate(c, asked.chat, ({ name, model }) =>
        serveResponse(asked, name, model, { defaults: options, store }),
      )
    })
    this.post(ENDPOINTS.messages, (body, c) => {
      c.env.call.names = ANTHROPIC_NAMES
      const chat = anthropicChat(body)
      return this.generate(c, chat, ({ name, model }) => serveAnthropic(body, chat, { name, model, defaults: options }))
    })
    this.post(completions, (body, c) =>
      this.generate(c, body, ({ name, model }) => serveCompletions(body, name, model, options)),
    )
    this.post(native, (body, c) =>
      this.generate(c, body, ({ name, model }, slots) => serveNative(body, { name, model, slots, defaults: options })),
    )
    this.post(infill, (body, c) =>
      this.generate(c, body, ({ name, model }, slots) => serveInfill(body, { name, model, slots, defaults: options })),
    )
    this.post(embeddings, (body, c) =>
      this.embed(c, body, ({ name, model }, signal) =>
        serveEmbeddings(body, name, model, { ...options.embeddings, signal }),
      ),
    )
    this.post(nativeEmbeddings, (body, c) =>
      this.embed(c, body, ({ model }, signal) => serveNativeEmbeddings(body, model, { ...options.embeddings, signal })),
    )
    this.post(ENDPOINTS.tokenize, async (body) => Response.json(tokenize(models.find(body.model).model, body)))
    this.post(ENDPOINTS.detokenize, async ({ tokens: ids, model: name }) => {
      const { model } = models.find(name)
      for (const id of ids) checkToken(id, model, 'tokens')
      return Response.json({ content: model.detokenize(ids, { special: true }) })
    })
    this.app.post(pattern(SLOT_ACTIONS.path), async (c) => {
      const { call } = c.env
      const { signal } = call
      call.prompt = 'filename'
      const named = models.find(c.req.query('model'))
      const { id, action } = { id: c.req.param('id')!, action: c.req.query('action') }
      const { filename } =
        action === 'erase' ? {} : await readBody(c.req.raw, SLOT_ACTIONS.body, options.bodyLimit, signal)
      return c.json(
        await named.gate.run(signal, () => actOnSlot(named, options.slotStore, { id, action, filename, signal })),
      )
    })
    this.post(ENDPOINTS.applyTemplate, async (body) => {
      const { model } = models.find(body.model)
      return Response.json({ prompt: renderedPrompt(body, model, options) })
    })
    const tokensOf = (body: ChatBody): number => promptIds(body, models.find(body.model).model, options).length
    const counted = (body: ChatBody): Response =>
      Response.json({ input_tokens: tokensOf(body), object: 'response.input_tokens' })
    this.post(ENDPOINTS.inputTokens, async (body) => counted(body))
    this.post(ENDPOINTS.responseTokens, async (body, c) => {
      c.env.call.names = RESPONSE_NAMES
      return counted(asChat(body, this.responses).chat)
    })
    this.post(ENDPOINTS.countTokens, async (body) => Response.json({ input_tokens: tokensOf(anthropicPrompt(body)) }))
  }

  /** There is no such address, or not with this method. */
  private nothing({ method, path }: { method: string; path: string }): Response {
    const allow = this.paths.get(path)
    const what = `There is no ${method} ${path}`
    const instead = insteadOf(path)
    if (!allow) {
      return failed(path, new ApiError(404, 'unknown_url', instead ? `${what} here; ${instead}.` : `${what}.`))
    }
    const response = failed(path, new ApiError(405, 'method_not_allowed', `${what}, but ${allow}.`))
    response.headers.set('allow', allow)
    return response
  }

  private post<T>(endpoint: Endpoint<T>, answer: (body: T, c: Context<Env>) => Promise<Response>): void {
    for (const path of [endpoint.path, ...endpoint.also]) {
      this.paths.set(path, 'POST')
      this.app.post(path, async (c) => {
        const { call } = c.env
        call.prompt = endpoint.required[0] ?? 'content'
        return answer(await readBody(c.req.raw, endpoint.body, this.options.bodyLimit, call.signal), c)
      })
    }
  }

  private async generate(
    c: Context<Env>,
    body: GenerationBody & Pick<ChatBody, 'tools' | 'functions'> & { id_slot?: number },
    plan: (named: NamedModel, slots: RequestSlots) => Served,
  ): Promise<Response> {
    const { call } = c.env
    const named = this.models.find(body.model)
    call.model = named
    call.constraint = constraintField(body) ?? toolsField(body)
    const { gate, model } = named
    const task = (index: number) => {
      const { options } = served.choices[index]!
      return { most: options.maxTokens, settings: () => generationSettings(options, body, model) }
    }
    const slots = new RequestSlots(named.slots, body.id_slot, task, (index) => served.choices[index]!.promptIds())
    const served = plan(named, slots)
    const onResults = (results: GenerateResult[]): void => {
      for (const result of results) this.metrics.generated(result)
      call.results = results
    }
    if (!body.stream) {
      const { answer, results } = await gate.run(call.signal, () => answerWhole(served, call.signal, slots))
      onResults(results)
      return c.json(answer)
    }
    const { response, finished } = await answerStream(served, {
      signal: call.signal,
      pingInterval: body.sse_ping_interval ?? this.options.ssePingInterval,
      listener: slots,
      enter: (work, onWait) => gate.run(call.signal, work, onWait),
      onResults,
      left: () => call.leave(),
      toError: (error) => this.toApiError(error, call),
    })
    call.streaming = finished
    return response
  }

  private async embed(
    c: Context<Env>,
    body: { model?: string },
    work: (named: NamedModel, signal: AbortSignal) => Promise<Embedded>,
  ): Promise<Response> {
    const { call } = c.env
    const named = this.models.find(body.model)
    call.model = named
    const { answer, tokens } = await named.gate.run(call.signal, () => work(named, call.signal))
    this.metrics.embedded(tokens)
    call.results = [{ promptTokens: tokens, cachedTokens: 0, completionTokens: 0 }]
    return c.json(answer)
  }

  private tellSlots(c: Context<Env>): Response {
    if (!this.options.slots) {
      throw new ApiError(501, 'slots_disabled', 'This server does not tell of its slots (--no-slots).')
    }
    const { model, slots } = this.models.find(c.req.query('model'))
    if (c.req.query('fail_on_no_slot') && slots.idle === 0) {
      throw new ApiError(503, 'no_slot_available', 'No slot is idle.', null, undefined, RETRY_AFTER)
    }
    return c.json(slots.describe(model.info))
  }

  private served(): Promise<ServedModel[]> {
    const statusOfModel = async ({ name, gate, model }: NamedModel): Promise<ServedModel> => {
      return { name, gate, status: await statusOf(model) }
    }
    return Promise.all(this.models.all.map(statusOfModel))
  }

  private toApiError(error: unknown, call: Call): ApiError {
    // Whatever an abort made of it: it was the time, or the client.
    const context = call.model?.model.info.context ?? Infinity
    const field = error instanceof GrammarError ? (call.constraint ?? call.prompt) : call.prompt
    const found = apiError(call.signal.aborted ? call.signal.reason : error, field, context)
    if (found.status >= 500 && !(error instanceof ApiError)) this.report(error)
    return renamed(found, call.names)
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

/** An error in the form of the API that an address is of. */
function failed(path: string, error: ApiError): Response {
  return errorResponse(error, isAnthropic(path) ? anthropicError(error) : undefined)
}

/** `/models/{name}` → as the router writes it. */
function pattern(path: string): string {
  return path.replace(/\{(\w+)\}/, ':$1{.+}')
}

/** Undefined of a model that is gone. */
async function statusOf(model: Model): Promise<ModelStatus | undefined> {
  return model.status().catch(() => undefined)
}
