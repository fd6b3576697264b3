/** cria's server: a handler of requests that speaks OpenAI's API. */

export type { RequestLog } from './server/call.ts'
export { createHandler, type Handler, type HandlerContext } from './server/handler.ts'
export type { HandlerOptions } from './server/handler-options.ts'
export type { ModelCard } from './server/models.ts'
export type { SlotStore } from './server/slot-actions.ts'
