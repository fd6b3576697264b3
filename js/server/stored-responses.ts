/** `/v1/responses/{id}`: what clients may ask of an answer that is kept. */
import { ApiError, badRequest } from './errors.ts'
import type { ResponseStore, StoredResponse } from './response-store.ts'

type Query = Readonly<Record<string, string>>

export function storedResponse(store: ResponseStore, id: string, { stream }: Query): object {
  if (stream === 'true') {
    const message = 'stream is not supported of an answer that is complete.'
    throw badRequest('stream', message, stream, 'unsupported_parameter')
  }
  return find(store, id).response
}

export function deleteResponse(store: ResponseStore, id: string): object {
  find(store, id)
  store.delete(id)
  return { id, object: 'response', deleted: true }
}

/** A page of what was answered, the latest item first unless `order` is `asc`. */
export function inputItems(store: ResponseStore, id: string, query: Query): object {
  const { order = 'desc', limit = '20', after } = query
  if (order !== 'asc' && order !== 'desc') throw badRequest('order', 'order must be "asc" or "desc".', order)
  const most = Number(limit)
  if (!(Number.isInteger(most) && most >= 1 && most <= 100)) {
    throw badRequest('limit', 'limit must be a whole number from 1 to 100.', limit)
  }
  const { input } = find(store, id)
  const sorted = order === 'asc' ? input : [...input].reverse()
  const start = after === undefined ? 0 : sorted.findIndex((item) => item.id === after) + 1
  if (after !== undefined && start === 0) throw badRequest('after', `after: there is no item ${after}.`, after)
  const data = sorted.slice(start, start + most)
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + most < sorted.length,
  }
}

function find(store: ResponseStore, id: string): StoredResponse {
  const stored = store.get(id)
  if (stored) return stored
  const message = `There is no response ${id} here: the server keeps the latest ones, but for those with store: false.`
  throw new ApiError(404, 'response_not_found', message, 'id', id)
}
