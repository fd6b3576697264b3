/** `cria serve`: OpenAI's API over HTTP. */

import { fileURLToPath } from 'node:url'
import { inspect } from '../api/inspect.ts'
import type { LoadOptions } from '../api/types.ts'
import { MOST_CONTEXT } from '../engine/context.ts'
import { AbortError } from '../errors.ts'
import { ApiError, errorResponse } from '../server/errors.ts'
import { createHandler } from '../server/handler.ts'
import type { RequestLog } from '../server/types.ts'
import { appHandler, appSite } from './app-site.ts'
import type { Command, Context } from './command.ts'
import { Ending } from './ending.ts'
import { choice, either, integer, or, text, texts, toggle, UsageError, type Values } from './flags.ts'
import { type Listening, listen } from './http.ts'
import { SERVER_FOREIGN } from './llama-server-flags.ts'
import { TEMPLATE_FLAGS, templateOptions } from './messages.ts'
import { KEEP_FLAGS, loadModel, MODEL_FLAGS } from './model.ts'
import { GENERATE_FLAGS, givenOptions, LOAD_FLAGS, OTHER_FLAGS, SAMPLING_FLAGS } from './options.ts'
import { ESCAPE, withEscapesRead } from './prompt.ts'
import { ROPE_FLAGS } from './rope.ts'
import { slotStore } from './slot-store.ts'
import { findInput } from './source.ts'
import { printable, readText, say, shown, write } from './terminal.ts'

const SERVER = {
  alias: or(
    'LLAMA_ARG_ALIAS',
    text(
      '-a --alias',
      'NAME,…',
      "names of the model for clients, of which answers give the first; default: the file's",
    ),
  ),
  tags: or('LLAMA_ARG_TAGS', text('--tags', 'TAG,…', 'what /v1/models says of the model beside its names')),
  strictModel: toggle('--strict-model', 'answer 404 to other names of a model; default: any name is taken for it'),
  host: or('LLAMA_ARG_HOST', text('--host', 'ADDRESS,…', 'addresses to listen on; default: 127.0.0.1, loopback alone')),
  port: or('LLAMA_ARG_PORT', integer('--port', 'port to listen on; 0: any free one; default: 8080', 0, 65535)),
  apiPrefix: or('LLAMA_ARG_API_PREFIX', text('--api-prefix', 'PATH', 'path before all addresses, as a proxy has it')),
  apiKey: or(
    'LLAMA_API_KEY',
    texts('--api-key', 'KEY,…', 'keys, one of which clients must send; repeatable; default: none'),
  ),
  apiKeyFile: or(
    'LLAMA_ARG_API_KEY_FILE',
    text('--api-key-file', 'FILE', 'file of keys, one on each line, # before comments'),
  ),
  cors: or(
    'LLAMA_ARG_CORS_ORIGINS',
    texts(
      '--cors-origins --cors-origin',
      'ORIGIN,…',
      "origins whose pages may call the server, '*': any, localhost: this machine's; repeatable; default: none",
    ),
  ),
  parallel: or(
    'LLAMA_ARG_N_PARALLEL',
    integer('-np --parallel', 'generations at once; more wait; -1: 16; default: -1', -1, 256),
  ),
  queue: integer('--queue', 'waiting requests at most; more get 429; default: 64', 0),
  timeout: or(
    'LLAMA_ARG_TIMEOUT',
    integer('-to --timeout', 'timeout of a request in seconds; default: 600', 1, 2147483),
  ),
  pingInterval: or(
    'LLAMA_ARG_SSE_PING_INTERVAL',
    integer('--sse-ping-interval', 'seconds of silence after which a stream gets a comment; -1: none; default: 5', -1),
  ),
  ui: or(
    'LLAMA_ARG_UI',
    either('--ui --webui', '--no-ui --no-webui', 'whether / is a page to chat in, which needs no key; default: yes'),
  ),
  slots: or(
    'LLAMA_ARG_ENDPOINT_SLOTS',
    either('--slots', '--no-slots', 'whether /slots tells what is computed; default: yes'),
  ),
  slotSavePath: text('--slot-save-path', 'DIR', 'folder where /slots keeps what slots computed; default: none'),
  metrics: or(
    'LLAMA_ARG_ENDPOINT_METRICS',
    toggle('--metrics', 'counters for Prometheus at /metrics; on by themselves'),
  ),
  pooling: or(
    'LLAMA_ARG_POOLING',
    choice(
      '--pooling',
      ['mean', 'last'] as const,
      'of embeddings: the mean of all tokens, or the last one; default: mean',
    ),
  ),
  normalize: choice(
    '--embd-normalize',
    ['2', '-1'],
    'of embeddings: 2: scaled to length 1, -1: as they are; default: 2',
  ),
}

/** Where requests do not say otherwise. */
const DEFAULTS = {
  ...GENERATE_FLAGS,
  ...SAMPLING_FLAGS,
  escape: ESCAPE,
}

const PREFILL = {
  prefillAssistant: or(
    'LLAMA_ARG_PREFILL_ASSISTANT',
    either(
      '--prefill-assistant',
      '--no-prefill-assistant',
      'whether a last message of the assistant is continued where a request does not say; default: yes',
    ),
  ),
}

const NOT_LOCAL = new ApiError(403, 'host_not_allowed', 'Ask by localhost or 127.0.0.1; other names need --api-key.')

const ENGINE = {
  ...LOAD_FLAGS,
  ctxSize: or(
    'LLAMA_ARG_CTX_SIZE',
    integer(
      '-c --ctx-size',
      'tokens of the KV cache; an answer may have up to the trained context, with --parallel its share; default: min(trained, 4096)',
      0,
      MOST_CONTEXT,
    ),
  ),
  kvUnified: or(
    'LLAMA_ARG_KV_UNIFIED',
    either(
      '-kvu --kv-unified',
      '-no-kvu --no-kv-unified',
      'with --parallel too an answer may have up to the trained context',
    ),
  ),
}

const flags = {
  ...SERVER,
  ...DEFAULTS,
  ...TEMPLATE_FLAGS,
  ...PREFILL,
  ...MODEL_FLAGS,
  ...KEEP_FLAGS,
  ...ENGINE,
  ...ROPE_FLAGS,
  ...OTHER_FLAGS,
}

export const serveCommand: Command<typeof flags> = {
  name: 'serve',
  summary: "OpenAI's API over HTTP",
  usage: 'serve -m FILE [options]',
  description: [
    "Serves OpenAI's API over HTTP: /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings,",
    "/v1/models; Anthropic's /v1/messages; and llama-server's /completion, /infill, /embedding, /tokenize,",
    '/detokenize, /apply-template, /props, /slots, /metrics, /health; and at / a page to chat in. The address',
    'goes to stdout once it listens, a line for each request of the API to stderr. Ctrl-C (or SIGTERM) ends it',
    'after the answers under way, a second one at once.',
  ],
  groups: [
    ['Server', SERVER],
    ['Generation, where a request does not say', DEFAULTS],
    ['Chat template', { ...TEMPLATE_FLAGS, ...PREFILL }],
    ['Model', { ...MODEL_FLAGS, ...KEEP_FLAGS }],
    ['Engine', ENGINE],
    ['Rotation', ROPE_FLAGS],
    ['Other', OTHER_FLAGS],
  ],
  examples: [
    'cria serve -m model.gguf --port 8080',
    'cria serve -m model.gguf --host 0.0.0.0 --api-key "$KEY"',
    'curl http://127.0.0.1:8080/v1/completions -d \'{"prompt": "Once", "max_tokens": 20}\'',
  ],
  flags,
  foreign: SERVER_FOREIGN,
  environment: true,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) {
    throw new UsageError(`serve takes no argument: ${JSON.stringify(positionals[0])}; a model goes after -m.`)
  }
  const ending = new Ending(context)
  try {
    await serve(values, ending)
    return 0
  } catch (error) {
    if (error instanceof AbortError && ending.signal.aborted) return ending.code
    throw error
  }
}

/** Serves until it is asked to end. @throws AbortError where that was before it served */
async function serve(values: Values<typeof flags>, ending: Ending): Promise<void> {
  const keys = await keysOf(values, ending.signal)
  const { port = 8080, queue, timeout, pooling, normalize } = values
  const cors = values.cors?.flatMap((origins) => origins.split(','))
  const prefix = prefixOf(values.apiPrefix)
  const { maxTokens, ...defaults } = givenOptions(withEscapesRead(values))
  const { template, templateVariables, reasoningFormat } = await templateOptions(values, ending.signal)
  const hosts = listOf(values.host)
  if (hosts.length === 0) hosts.push('127.0.0.1')
  const { location } = await findInput(values, ending.signal)
  const model = await loadModel(values, ending.signal, await sharedContext(values, ending.signal))
  try {
    // As in llama.cpp: names are a set, of which the first counts.
    const aliases = listOf(values.alias).sort()
    const [name = model.info.name || 'model'] = aliases
    // As llama-server: better now than at each request.
    if (template) model.applyTemplate([{ role: 'user', content: 'test' }], { template })
    const handler = createHandler(
      { [name]: model },
      {
        onRequest: (request) => say(lineOf(request)),
        onError: (error) => say(`cria: ${printable(String((error as Error)?.stack ?? error))}`),
        about: { [name]: { aliases, tags: listOf(values.tags), path: pathOf(String(location)) } },
        strictModel: values.strictModel ?? false,
        slots: values.slots ?? true,
        verbose: values.verbose ?? false,
        prefillAssistant: values.prefillAssistant ?? true,
        ...(values.slotSavePath !== undefined && { slotStore: await slotStore(values.slotSavePath) }),
        ...(keys.length > 0 && { apiKeys: keys }),
        ...(cors && { cors }),
        ...(queue !== undefined && { queue }),
        ...(timeout !== undefined && { timeout: timeout * 1000 }),
        ...(values.pingInterval !== undefined && { ssePingInterval: values.pingInterval }),
        ...(maxTokens !== undefined && { maxTokens }),
        ...(template && { template }),
        ...(templateVariables && { templateVariables }),
        ...(reasoningFormat && { reasoningFormat }),
        defaults,
        embeddings: { ...(pooling && { pooling }), ...(normalize && { normalize: normalize === '2' }) },
      },
    )
    // Who reads the log may leave before the clients do.
    process.stderr.on('error', () => {})
    // A page elsewhere may have its own name lead here (DNS rebinding).
    const guarded = keys.length === 0 && hosts.every(isLoopback)
    const page = (values.ui ?? true) && appHandler(await appSite(), (template ?? model.info.chatTemplate) !== undefined)
    const handle = async (request: Request): Promise<Response> => {
      if (guarded && !isLoopback(new URL(request.url).hostname)) return errorResponse(NOT_LOCAL)
      return (page && (await page(request))) || handler(request)
    }
    const listening: Listening[] = []
    for (const host of hosts) {
      // Any free port is one for all addresses.
      const free = Number(new URL(listening[0]?.url ?? 'http://a:0').port)
      listening.push(await listen(handle, { host, port: port || free, prefix }))
    }
    await write(listening.map(({ url }) => `cria: ${printable(name)} at ${url}/v1\n`).join(''))
    if (keys.length === 0 && !hosts.every(isLoopback))
      say('cria: warning: whoever reaches this address may use it: see --api-key.')
    await ending.asked()
    say('cria: ending when the answers under way are done')
    await Promise.all(listening.map(({ drain }) => drain()))
  } finally {
    await model.close()
  }
}

/** The parts of a list with commas. */
function listOf(given = ''): string[] {
  return given
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
}

/** Where the model is, without what is nobody else's business in a URL. */
function pathOf(location: string): string {
  if (!URL.canParse(location)) return location
  const { protocol, host, pathname } = new URL(location)
  return protocol === 'file:' ? fileURLToPath(location) : `${protocol}${host && `//${host}`}${pathname}`
}

/** @throws UsageError where keys are asked for and there are none, as where a variable is empty: all would be let in */
async function keysOf({ apiKey, apiKeyFile }: Values<typeof flags>, signal: AbortSignal): Promise<string[]> {
  const lines = apiKeyFile === undefined ? '' : shown(await readText(apiKeyFile, signal))
  const keys = [
    ...(apiKey ?? []).flatMap((key) => key.split(',')),
    ...lines.split('\n').filter((line) => !/^\s*#/.test(line)),
  ]
    // Of spaces, and of a BOM.
    .map((key) => key.trim())
    .filter(Boolean)
  if ((apiKey ?? apiKeyFile) !== undefined && keys.length === 0)
    throw new UsageError('There is no key in --api-key or --api-key-file.')
  return keys
}

/**
 * Resolves `-c` and `--parallel` by the file's header, as llama-server does: where the number of answers is given each has its
 * share of the cache, in steps of 256 tokens, unless the cache is unified.
 */
async function sharedContext(values: Values<typeof flags>, signal: AbortSignal): Promise<LoadOptions> {
  const { ctxSize, parallel = -1, kvUnified = parallel < 0 } = values
  if (parallel === 0) throw new UsageError('--parallel takes -1 or a number from 1 on, not 0.')
  const all = parallel < 0 ? {} : { parallel }
  if (!ctxSize) return all
  const { location, options } = await findInput(values, signal)
  const { config } = await inspect(location, { ...options, signal })
  const most = kvUnified ? ctxSize : Math.ceil(Math.floor(ctxSize / parallel) / 256) * 256
  const context = Math.min(most, config?.contextLength ?? most)
  return { ...all, kvTokens: Math.max(ctxSize, context), context }
}

/** `/path`, without a slash at its end; empty where there is none. */
function prefixOf(given = ''): string {
  const prefix = given.replace(/\/+$/, '')
  if (prefix === '' || prefix.startsWith('/')) return prefix
  throw new UsageError(`--api-prefix takes a path that begins with a slash, not ${JSON.stringify(given)}.`)
}

function isLoopback(host: string): boolean {
  return /^(localhost|\[?::1\]?|127(\.\d+){3})$/.test(host)
}

function lineOf({
  method,
  path,
  status,
  milliseconds,
  promptTokens,
  cachedTokens,
  completionTokens,
}: RequestLog): string {
  const tokens =
    completionTokens === undefined
      ? ''
      : `, ${promptTokens} prompt tokens (${cachedTokens} cached), ${completionTokens} generated`
  return `${new Date().toISOString()} ${printable(method)} ${printable(path)} ${status} ${milliseconds.toFixed(0)} ms${tokens}`
}
