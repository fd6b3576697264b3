/** cria's server: a handler of requests that speaks OpenAI's API. */

export type { RequestLog } from './server/call.ts'
export { createHandler, type Handler, type HandlerContext, type HandlerOptions } from './server/handler.ts'
