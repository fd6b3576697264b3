/** Counters, and their text for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import type { GenerateResult, ModelStatus } from '../api/types.ts'
import type { Gate } from './gate.ts'

/** What goes on in a model, by the name it is served by. */
export interface ServedModel {
  name: string
  gate: Gate
  status: ModelStatus | undefined
}

type Samples = readonly (readonly [labels: string, value: number])[]

export class Metrics {
  private promptTokens = 0
  private cachedTokens = 0
  private promptSeconds = 0
  private tokens = 0
  private seconds = 0
  private mostTokens = 0
  /** By path and status. */
  private readonly requests = new Map<string, number>()

  generated({ promptTokens, cachedTokens, completionTokens, timings }: GenerateResult): void {
    this.promptTokens += promptTokens - cachedTokens
    this.cachedTokens += cachedTokens
    this.promptSeconds += timings.prompt / 1000
    this.tokens += completionTokens
    this.seconds += timings.generate / 1000
    this.mostTokens = Math.max(this.mostTokens, promptTokens + completionTokens)
  }

  embedded(tokens: number): void {
    this.promptTokens += tokens
  }

  /** @param path one of the server's own: what clients make up would grow without end */
  answered(path: string, status: number): void {
    const labels = `path="${path}",status="${status}"`
    this.requests.set(labels, (this.requests.get(labels) ?? 0) + 1)
  }

  /** llama-server's metrics, by its name and by cria's; and of each model its sequences and the pages of its KV cache. */
  text(models: readonly ServedModel[]): string {
    const shared = this.shared(models)
    const lines = [
      ...['llamacpp', 'cria'].flatMap((prefix) =>
        shared.flatMap(([name, type, help, value]) => metric(prefix, name, type, help, [['', value]])),
      ),
      ...metric('cria', 'sequences', 'gauge', 'Sequences in the model.', byState(models, sequences)),
      ...metric('cria', 'kv_pages', 'gauge', 'Pages of the KV cache.', byState(models, pages)),
      ...metric('cria', 'kv_cache_usage_ratio', 'gauge', 'Used part of the KV cache.', byModel(models, usage)),
      ...metric(
        'cria',
        'requests_total',
        'counter',
        'Requests answered.',
        [...this.requests].map(([labels, count]) => [`{${labels}}`, count]),
      ),
    ]
    return `${lines.join('\n')}\n`
  }

  private shared(models: readonly ServedModel[]): [name: string, type: string, help: string, value: number][] {
    const gates = [...new Set(models.map(({ gate }) => gate))]
    const passes = models.map(({ status }) => status?.passes ?? { total: 0, sequences: 0 })
    const total = sum(passes.map(({ total }) => total))
    return [
      ['prompt_tokens_total', 'counter', 'Prompt tokens computed.', this.promptTokens],
      ['prompt_tokens_cached_total', 'counter', 'Prompt tokens found in the cache.', this.cachedTokens],
      ['prompt_seconds_total', 'counter', 'Seconds spent on prompts.', this.promptSeconds],
      ['tokens_predicted_total', 'counter', 'Tokens generated.', this.tokens],
      ['tokens_predicted_seconds_total', 'counter', 'Seconds spent on generating.', this.seconds],
      ['n_decode_total', 'counter', 'Passes of the model.', total],
      ['n_tokens_max', 'counter', 'Most tokens of a prompt and its answer.', this.mostTokens],
      ['spec_decode_num_draft_tokens_total', 'counter', 'Tokens drafted; always 0.', 0],
      ['spec_decode_num_accepted_tokens_total', 'counter', 'Drafted tokens accepted; always 0.', 0],
      ['spec_decode_num_drafts_total', 'counter', 'Drafts; always 0.', 0],
      ['prompt_tokens_seconds', 'gauge', 'Prompt tokens per second.', rate(this.promptTokens, this.promptSeconds)],
      ['predicted_tokens_seconds', 'gauge', 'Tokens generated per second.', rate(this.tokens, this.seconds)],
      ['requests_processing', 'gauge', 'Requests under way.', sum(gates.map(({ running }) => running))],
      ['requests_deferred', 'gauge', 'Requests that wait.', sum(gates.map(({ waiting }) => waiting))],
      [
        'n_busy_slots_per_decode',
        'gauge',
        'Sequences in a pass, on average.',
        rate(sum(passes.map(({ sequences }) => sequences)), total),
      ],
    ]
  }
}

function metric(prefix: string, name: string, type: string, help: string, samples: Samples): string[] {
  const full = `${prefix}:${name}`
  return [
    `# HELP ${full} ${help}`,
    `# TYPE ${full} ${type}`,
    ...samples.map(([labels, value]) => `${full}${labels} ${value}`),
  ]
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

function sequences({ running, waiting }: ModelStatus): object {
  return { running, waiting }
}

function pages({ kvPages: { used, cached, free } }: ModelStatus): object {
  return { used, cached, free }
}

function usage({ kvPages: { used, total } }: ModelStatus): number {
  return total > 0 ? used / total : 0
}

function byModel(models: readonly ServedModel[], value: (status: ModelStatus) => number): Samples {
  return models.flatMap(({ name, status }) => (status ? [[`{model=${quoted(name)}}`, value(status)] as const] : []))
}

function byState(models: readonly ServedModel[], values: (status: ModelStatus) => object): Samples {
  return models.flatMap(({ name, status }) =>
    Object.entries(status ? values(status) : {}).map(
      ([state, value]) => [`{model=${quoted(name)},state="${state}"}`, value] as const,
    ),
  )
}

/** A label's value, which may hold anything. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}

function rate(count: number, seconds: number): number {
  return seconds > 0 ? count / seconds : 0
}
