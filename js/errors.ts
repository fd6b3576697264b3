/**
 * Every error cria throws on purpose: a class to catch, a stable `code`, a sentence that says what is wrong and what to
 * do, and the value at fault.
 */
export class CriaError extends Error {
  /** Stable, machine-readable: `GGUF_TRUNCATED`, `CONTEXT_EXCEEDED` … */
  readonly code: string
  /** What was at fault: a key, a type name, a number, a path. */
  readonly value: unknown
  /** Stated, because the code in dist/ has its own names cut short. */
  static override readonly name: string = 'CriaError'
  constructor(code: string, message: string, value?: unknown, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.value = value
    this.name = new.target.name
  }
}

/** The bytes are not a sound GGUF file (or llama2.c checkpoint): cut short, overlapping, out of range, malformed. */
export class FormatError extends CriaError {
  static override readonly name = 'FormatError'
}
/** The file is sound but asks for something cria does not have: a version, architecture, tensor type, tokenizer. */
export class UnsupportedError extends CriaError {
  static override readonly name = 'UnsupportedError'
}
/** The bytes could not be read: no such file, an HTTP status, a broken connection, a wrong checksum. */
export class SourceError extends CriaError {
  static override readonly name = 'SourceError'
}
/** An argument or option is of the wrong kind or out of range. */
export class ArgumentError extends CriaError {
  static override readonly name = 'ArgumentError'
}
/** The prompt does not fit the context. */
export class ContextError extends CriaError {
  static override readonly name = 'ContextError'
}
/** The engine refuses the memory that the model needs. */
export class MemoryError extends CriaError {
  static override readonly name = 'MemoryError'
}
/** A worker died or trapped, and no other could take its place: the model came as bytes, or it happened again at once. */
export class WorkerError extends CriaError {
  static override readonly name = 'WorkerError'
}
/** The model computed something that is not a number. */
export class NumericError extends CriaError {
  static override readonly name = 'NumericError'
}
/** The chat template failed to render. */
export class TemplateError extends CriaError {
  static override readonly name = 'TemplateError'
}
/** A grammar, JSON Schema or regular expression is malformed, or asks for what cannot be enforced. */
export class GrammarError extends CriaError {
  static override readonly name = 'GrammarError'
}
/** Tools were run without coming to an answer. */
export class ToolError extends CriaError {
  static override readonly name = 'ToolError'
}
/** The model was used after `close()`. */
export class ClosedError extends CriaError {
  static override readonly name = 'ClosedError'
}
/** An `AbortSignal` fired; `cause` is its reason. */
export class AbortError extends CriaError {
  static override readonly name = 'AbortError'
  constructor(what: string, reason?: unknown) {
    super('ABORTED', `${what} was aborted.`, undefined, { cause: reason })
  }
}

const CLASSES: Record<string, typeof CriaError> = {
  CriaError,
  FormatError,
  UnsupportedError,
  SourceError,
  ArgumentError,
  ContextError,
  MemoryError,
  WorkerError,
  NumericError,
  TemplateError,
  GrammarError,
  ToolError,
  ClosedError,
}

/** An error as plain data, to cross a worker boundary. @internal */
export interface SerializedError {
  name: string
  message: string
  code?: string
  value?: unknown
  cause?: unknown
  stack?: string
}

/** @internal */
export function serializeError(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack } = error
  const out: SerializedError = { name, message, ...(stack !== undefined && { stack }) }
  if (error instanceof CriaError) {
    out.code = error.code
    out.value = error.value
  }
  // Of other causes only what can surely be posted.
  if (error.cause instanceof Error) out.cause = serializeError(error.cause)
  else if (typeof error.cause === 'string' || typeof error.cause === 'number') out.cause = error.cause
  return out
}

/** @internal */
export function deserializeError(data: SerializedError): Error {
  const { name, message, code, value, stack } = data
  const cause = isSerialized(data.cause) ? deserializeError(data.cause) : data.cause
  if (code === 'ABORTED') return new AbortError(message.replace(/ was aborted\.$/, ''), cause)
  const Class = CLASSES[name]
  if (Class) return new Class(code ?? 'UNKNOWN', message, value, { cause })
  const error = new Error(message, { cause })
  error.name = name
  // Where it was thrown says more than where it arrived.
  if (stack !== undefined) error.stack = stack
  return error
}

function isSerialized(cause: unknown): cause is SerializedError {
  return typeof cause === 'object' && cause !== null && 'message' in cause
}

/** Throws an {@link AbortError} once the signal has fired. @internal */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new AbortError(what, signal.reason)
}
