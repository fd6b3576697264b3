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
  private promptSeconds = 0
  private tokens = 0
  private seconds = 0
  /** By path and status. */
  private readonly requests = new Map<string, number>()

  generated({ promptTokens, cachedTokens, completionTokens, timings }: GenerateResult): void {
    this.promptTokens += promptTokens - cachedTokens
    this.promptSeconds += timings.prompt / 1000
    this.tokens += completionTokens
    this.seconds += timings.generate / 1000
  }

  /** @param path one of the server's own: what clients make up would grow without end */
  answered(path: string, status: number): void {
    const labels = `path="${path}",status="${status}"`
    this.requests.set(labels, (this.requests.get(labels) ?? 0) + 1)
  }

  /** llama-server's metrics, under cria's name; and of each model its sequences and the pages of its KV cache. */
  text(models: readonly ServedModel[]): string {
    const gates = [...new Set(models.map(({ gate }) => gate))]
    const metric = (name: string, type: string, help: string, samples: Samples) =>
      [`# HELP cria:${name} ${help}`, `# TYPE cria:${name} ${type}`].concat(
        samples.map(([labels, value]) => `cria:${name}${labels} ${value}`),
      )
    const one = (name: string, type: string, help: string, value: number) => metric(name, type, help, [['', value]])
    const lines = [
      ...one('prompt_tokens_total', 'counter', 'Prompt tokens computed.', this.promptTokens),
      ...one('prompt_seconds_total', 'counter', 'Seconds spent on prompts.', this.promptSeconds),
      ...one('tokens_predicted_total', 'counter', 'Tokens generated.', this.tokens),
      ...one('tokens_predicted_seconds_total', 'counter', 'Seconds spent on generating.', this.seconds),
      ...one(
        'prompt_tokens_seconds',
        'gauge',
        'Prompt tokens per second.',
        rate(this.promptTokens, this.promptSeconds),
      ),
      ...one('predicted_tokens_seconds', 'gauge', 'Tokens generated per second.', rate(this.tokens, this.seconds)),
      ...one('requests_processing', 'gauge', 'Requests under way.', sum(gates.map(({ running }) => running))),
      ...one('requests_deferred', 'gauge', 'Requests that wait.', sum(gates.map(({ waiting }) => waiting))),
      ...metric('sequences', 'gauge', 'Sequences in the model.', byState(models, sequences)),
      ...metric('kv_pages', 'gauge', 'Pages of the KV cache.', byState(models, pages)),
      ...metric('kv_cache_usage_ratio', 'gauge', 'Used part of the KV cache.', byModel(models, usage)),
      ...metric(
        'requests_total',
        'counter',
        'Requests answered.',
        [...this.requests].map(([labels, count]) => [`{${labels}}`, count]),
      ),
    ]
    return `${lines.join('\n')}\n`
  }
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
