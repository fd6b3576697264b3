/** cria's server: a handler of requests that speaks OpenAI's API. */

export { createHandler, type Handler, type HandlerContext } from './server/handler.ts'
export type { HandlerOptions } from './server/handler-options.ts'
export type { ModelCard, RequestLog, ResponseStoreLimits, SlotStore } from './server/types.ts'
