/** What clients may ask for without a body: addresses and what they may say in the query. */

export interface Read {
  /** `{name}`: the rest of the address. */
  paths: readonly string[]
  title: string
  /** Parameters of the address, of the query but for those in a path, in words. */
  parameters?: Readonly<Record<string, string>>
}

export const MODEL_PARAMETER = 'The model by its name; default: the first'

export const READS = {
  health: { paths: ['/health', '/v1/health'], title: 'That the server is there; needs no key.' },
  models: { paths: ['/v1/models', '/models'], title: 'The models served.' },
  model: {
    paths: ['/v1/models/{name}', '/models/{name}'],
    title: 'One model.',
    parameters: { name: 'One of its names' },
  },
  response: {
    paths: ['/v1/responses/{id}', '/responses/{id}'],
    title: 'An answer of `/v1/responses` that is kept.',
    parameters: { id: 'Its id' },
  },
  responseItems: {
    paths: ['/v1/responses/{id}/input_items', '/responses/{id}/input_items'],
    title: 'What it answered: the items before it and its own input.',
    parameters: {
      id: 'The id of the answer',
      order: '`desc`, the default: the latest first; `asc`',
      limit: 'Most items, from 1 to 100; default 20',
      after: 'The id of the item before the first',
    },
  },
  props: {
    paths: ['/props'],
    title: 'What holds where a request says nothing, and the chat template in use.',
    parameters: { model: MODEL_PARAMETER },
  },
  slots: {
    paths: ['/slots'],
    title: 'What is computed, for each generation that may run at once.',
    parameters: { model: MODEL_PARAMETER, fail_on_no_slot: 'Anything: 503 where no slot is idle' },
  },
  metrics: { paths: ['/metrics'], title: 'Counters for Prometheus.' },
  openapi: { paths: ['/openapi.json'], title: 'This document.' },
} satisfies Record<string, Read>
