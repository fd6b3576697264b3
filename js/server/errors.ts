/** Errors as clients get them: a status and OpenAI's `{ error: { message, type, param, code } }`. */
import {
  AbortError,
  ArgumentError,
  ClosedError,
  ContextError,
  CriaError,
  FormatError,
  GrammarError,
  MemoryError,
  TemplateError,
  UnsupportedError,
  WorkerError,
} from '../errors.ts'

export class ApiError extends CriaError {
  static override readonly name: string = 'ApiError'
  /**
   * @param param the field at fault, as a path: `messages[0].role`; `body` for the body as a whole
   * @param retryAfter seconds after which another attempt makes sense
   * @param more fields of the body beside OpenAI's; `type` takes the place of the status's own
   */
  constructor(
    readonly status: number,
    code: string,
    message: string,
    readonly param: string | null = null,
    value?: unknown,
    readonly retryAfter?: number,
    readonly more: Readonly<Record<string, unknown>> = {},
  ) {
    super(code, message, value)
  }
}

/** The field at fault, by the code of an ArgumentError. */
const FIELDS: Readonly<Record<string, string>> = { no_token_left: 'logit_bias', invalid_tools: 'tools' }

/** Of a field that is wrong: 400. */
export function badRequest(param: string, message: string, value?: unknown, code = 'invalid_value'): ApiError {
  return new ApiError(400, code, message, param, value)
}

/** With the field's name in the API that the client speaks. */
export function renamed(error: ApiError, names: Readonly<Record<string, string>>): ApiError {
  const { status, code, message, param, value, retryAfter, more } = error
  if (param === null || !Object.hasOwn(names, param)) return error
  return new ApiError(status, code, message, names[param], value, retryAfter, more)
}

/** `Retry-After` in seconds, where nothing better is known. */
export const RETRY_AFTER = 1

/**
 * Any error as one for clients. `prompt`: the field that held the prompt; `context`: tokens that the model takes. What is no
 * error of cria's keeps its details to itself.
 */
export function apiError(error: unknown, prompt: string, context: number): ApiError {
  if (error instanceof ApiError) return error
  if (!(error instanceof CriaError))
    return new ApiError(500, 'internal_error', 'The server failed; its log may say why.')
  const { message, value } = error
  const code = error.code.toLowerCase()
  if (error instanceof ContextError) return contextError(error, prompt, context)
  if (error instanceof ArgumentError) return badRequest(FIELDS[code] ?? prompt, message, value)
  if ([TemplateError, UnsupportedError, FormatError, GrammarError].some((Class) => error instanceof Class))
    return badRequest(prompt, message, value, code)
  if (error instanceof AbortError) return new ApiError(499, 'aborted', 'The request was aborted.')
  if (error instanceof WorkerError || error instanceof ClosedError || error instanceof MemoryError) {
    return new ApiError(503, code, message, null, undefined, RETRY_AFTER)
  }
  return new ApiError(500, code, message)
}

/**
 * In the words by which clients know that a prompt is too long: OpenAI's and llama-server's, with the code of one and the type
 * and counts of the other.
 */
function contextError({ message, value }: ContextError, prompt: string, context: number): ApiError {
  const tokens = Number(value)
  if (!(tokens > context)) return badRequest(prompt, message, value, 'context_length_exceeded')
  const text = `This model's maximum context length is ${context} tokens. However, your ${prompt} resulted in ${tokens} tokens, which exceeds the available context size. Shorten it, or load the model with a larger context.`
  return new ApiError(400, 'context_length_exceeded', text, prompt, value, undefined, {
    type: 'exceed_context_size_error',
    n_prompt_tokens: tokens,
    n_ctx: context,
  })
}

const TYPES: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  501: 'not_supported_error',
  503: 'unavailable_error',
  504: 'timeout_error',
}

/** The body of an error. */
export function errorBody({ status, message, param, code, more }: ApiError): { error: object } {
  return {
    error: {
      message,
      type: TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error'),
      param,
      code,
      ...more,
    },
  }
}

/** Beside those. */
const ANTHROPIC_TYPES: Record<number, string> = { ...TYPES, 413: 'request_too_large', 503: 'overloaded_error' }

/** The same in Anthropic's form and words: https://docs.anthropic.com/en/api/errors */
export function anthropicError({ status, message, param, code, more }: ApiError): object {
  const { n_prompt_tokens: tokens, n_ctx: context } = more
  const tooLong = tokens === undefined ? undefined : `prompt is too long: ${tokens} tokens > ${context} maximum`
  const type = ANTHROPIC_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
  return { type: 'error', error: { type, message: tooLong ?? message, details: { error_code: code, param } } }
}

export function errorResponse(error: ApiError, body: object = errorBody(error)): Response {
  const headers = new Headers()
  if (error.retryAfter !== undefined) headers.set('retry-after', String(error.retryAfter))
  if (error.status === 401) headers.set('www-authenticate', 'Bearer')
  return Response.json(body, { status: error.status, headers })
}
