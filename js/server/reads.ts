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
