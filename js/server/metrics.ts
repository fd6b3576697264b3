/** Counters, and their text for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import type { GenerateResult } from '../api.ts'
import type { Gate } from './gate.ts'

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

  /** llama-server's metrics, under cria's name. */
  text(gate: Gate): string {
    const metric = (name: string, type: string, help: string, samples: readonly [labels: string, value: number][]) =>
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
      ...one('requests_processing', 'gauge', 'Requests under way.', gate.running),
      ...one('requests_deferred', 'gauge', 'Requests that wait.', gate.waiting),
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

function rate(count: number, seconds: number): number {
  return seconds > 0 ? count / seconds : 0
}
