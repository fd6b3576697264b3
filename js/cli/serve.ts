/** `cria serve`: OpenAI's API over HTTP. */

import { inspect } from '../api/inspect.ts'
import type { LoadOptions } from '../api/types.ts'
import { MOST_CONTEXT } from '../engine/context.ts'
import type { RequestLog } from '../server/call.ts'
import { ApiError, errorResponse } from '../server/errors.ts'
import { createHandler } from '../server/handler.ts'
import type { Command, Context } from './command.ts'
import { choice, integer, or, text, texts, UsageError, type Values } from './flags.ts'
import { listen } from './http.ts'
import { SERVER_FOREIGN } from './llama-server-flags.ts'
import { TEMPLATE_FLAGS, templateOptions } from './messages.ts'
import { loadModel, MODEL_FLAGS } from './model.ts'
import { GENERATE_FLAGS, givenOptions, LOAD_FLAGS, OTHER_FLAGS, SAMPLING_FLAGS } from './options.ts'
import { ESCAPE, withStopsRead } from './prompt.ts'
import { ROPE_FLAGS } from './rope.ts'
import { findInput } from './source.ts'
import { printable, readText, say, shown, write } from './terminal.ts'

const SERVER = {
  alias: or('LLAMA_ARG_ALIAS', text('-a --alias', 'NAME', "the model's name for clients; default: the file's")),
  host: or('LLAMA_ARG_HOST', text('--host', 'ADDRESS', 'address to listen on; default: 127.0.0.1, loopback alone')),
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
      "origins whose pages may call the server, '*': any; repeatable; default: none",
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

const NOT_LOCAL = new ApiError(403, 'host_not_allowed', 'Ask by localhost or 127.0.0.1; other names need --api-key.')

const ENGINE = {
  ...LOAD_FLAGS,
  ctxSize: or(
    'LLAMA_ARG_CTX_SIZE',
    integer(
      '-c --ctx-size',
      'tokens of the KV cache, which all answers share; an answer may have up to the trained context; default: min(trained, 4096)',
      0,
      MOST_CONTEXT,
    ),
  ),
}

const flags = { ...SERVER, ...DEFAULTS, ...TEMPLATE_FLAGS, ...MODEL_FLAGS, ...ENGINE, ...ROPE_FLAGS, ...OTHER_FLAGS }

export const serveCommand: Command<typeof flags> = {
  name: 'serve',
  summary: "OpenAI's API over HTTP",
  usage: 'serve -m FILE [options]',
  description: [
    "Serves OpenAI's API over HTTP: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models; and",
    "llama-server's /health, /props, /tokenize, /detokenize, /apply-template, /metrics. The address goes to",
    'stdout once it listens, a line for each request to stderr. Ctrl-C (or SIGTERM) ends it after the',
    'answers under way, a second one at once.',
  ],
  groups: [
    ['Server', SERVER],
    ['Generation, where a request does not say', DEFAULTS],
    ['Chat template', TEMPLATE_FLAGS],
    ['Model', MODEL_FLAGS],
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
  const keys = await keysOf(values, context.signal)
  const { port = 8080, queue, timeout, pooling, normalize } = values
  const cors = values.cors?.flatMap((origins) => origins.split(','))
  if (cors?.includes('localhost')) throw new UsageError('--cors-origins takes origins whole: http://localhost:3000.')
  const prefix = prefixOf(values.apiPrefix)
  const { maxTokens, ...defaults } = givenOptions(withStopsRead(values))
  const { template, templateVariables } = await templateOptions(values, context.signal)
  const host = values.host || '127.0.0.1'
  if (/,|\.sock$/.test(host)) throw new UsageError(`--host takes one address, not ${JSON.stringify(host)}.`)
  const model = await loadModel(values, context.signal, await sharedContext(values, context.signal))
  try {
    const name = values.alias || model.info.name || 'model'
    // As llama-server: better now than at each request.
    if (template) model.applyTemplate([{ role: 'user', content: 'test' }], { template })
    const handler = createHandler(
      { [name]: model },
      {
        onRequest: (request) => say(lineOf(request)),
        onError: (error) => say(`cria: ${printable(String((error as Error)?.stack ?? error))}`),
        ...(keys.length > 0 && { apiKeys: keys }),
        ...(cors && { cors }),
        ...(queue !== undefined && { queue }),
        ...(timeout !== undefined && { timeout: timeout * 1000 }),
        ...(maxTokens !== undefined && { maxTokens }),
        ...(template && { template }),
        ...(templateVariables && { templateVariables }),
        defaults,
        embeddings: { ...(pooling && { pooling }), ...(normalize && { normalize: normalize === '2' }) },
      },
    )
    // Who reads the log may leave before the clients do.
    process.stderr.on('error', () => {})
    // A page elsewhere may have its own name lead here (DNS rebinding).
    const guarded = keys.length === 0 && isLoopback(host)
    const handle = async (request: Request): Promise<Response> =>
      guarded && !isLoopback(new URL(request.url).hostname) ? errorResponse(NOT_LOCAL) : handler(request)
    const { url, drain } = await listen(handle, { host, port, prefix })
    await write(`cria: ${printable(name)} at ${url}/v1\n`)
    if (keys.length === 0 && !isLoopback(host))
      say('cria: warning: whoever reaches this address may use it: see --api-key.')
    await asked(context)
    say('cria: ending when the answers under way are done')
    await drain()
    return 0
  } finally {
    await model.close()
  }
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

/** Resolves `-c` and `--parallel` by the file's header. */
async function sharedContext(values: Values<typeof flags>, signal: AbortSignal): Promise<LoadOptions> {
  const { ctxSize, parallel = -1 } = values
  if (parallel === 0) throw new UsageError('--parallel takes -1 or a number from 1 on, not 0.')
  const all = parallel < 0 ? {} : { parallel }
  if (!ctxSize) return all
  const { location, options } = await findInput(values, signal)
  const { config } = await inspect(location, { ...options, signal })
  return { ...all, kvTokens: ctxSize, context: Math.min(ctxSize, config?.contextLength ?? ctxSize) }
}

/** `/path`, without a slash at its end; empty where there is none. */
function prefixOf(given = ''): string {
  const prefix = given.replace(/\/+$/, '')
  if (prefix === '' || prefix.startsWith('/')) return prefix
  throw new UsageError(`--api-prefix takes a path that begins with a slash, not ${JSON.stringify(given)}.`)
}

/** Resolves at the first Ctrl-C or SIGTERM; the second one ends the process. */
function asked({ onInterrupt }: Context): Promise<void> {
  return new Promise((resolve) => {
    let before = false
    const end = (code: number) => () => {
      if (before) process.exit(code)
      before = true
      resolve()
    }
    onInterrupt(end(130))
    process.on('SIGTERM', end(143))
  })
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
