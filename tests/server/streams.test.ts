/** A stream's status and headers come at once, and comments in every silence: proxies give up what says nothing. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { mock } from 'node:test'
import {
  type ChatDelta,
  ContextError,
  type GenerateOptions,
  type GenerateResult,
  load,
  type Model,
  WorkerError,
} from 'cria'
import { createHandler, type HandlerOptions } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listen } from '../../js/cli/http.ts'
import { STORIES } from '../api-helpers.ts'
import { post } from './helpers.ts'

const model = await load(STORIES, { threads: 1, onWarning: () => {} })
test.after(() => model.close())

const PATHS = ['/v1/completions', '/v1/chat/completions', '/completion']
const BODY = { prompt: 'Once', messages: [{ role: 'user', content: 'Hi' }], stream: true }
const bodyOf = (path: string, more: object = {}): object => {
  const { prompt, messages, stream } = BODY
  return { ...(path.includes('chat') ? { messages } : { prompt }), stream, ...more }
}

const RESULT: GenerateResult = {
  text: 'ab',
  ids: [4, 5],
  finishReason: 'length',
  promptTokens: 2,
  cachedTokens: 0,
  completionTokens: 2,
  seed: 1,
  timings: { prompt: 1, generate: 1, promptPerSecond: 1, tokensPerSecond: 1 },
}

/** A generation that the test drives. */
class Driven {
  options: GenerateOptions = {}
  private readonly waiting: (() => void)[] = []
  private readonly pieces: string[] = []
  private outcome: { error?: unknown } | undefined

  piece(text: string): void {
    this.pieces.push(text)
    this.options.onToken?.({ id: 4, text })
    this.options.onDelta?.({ content: text })
    this.wake()
  }

  end(error?: unknown): void {
    this.outcome = { error }
    this.wake()
  }

  private wake(): void {
    for (const resume of this.waiting.splice(0)) resume()
  }

  private async over(): Promise<void> {
    while (!this.outcome) await new Promise<void>((resolve) => this.waiting.push(resolve))
    if (this.outcome.error) throw this.outcome.error
  }

  async result(): Promise<GenerateResult> {
    await this.over()
    return RESULT
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for await (const { content } of this.deltas()) yield content!
  }

  async *deltas(): AsyncGenerator<ChatDelta, void, undefined> {
    while (this.pieces.length > 0 || !this.outcome) {
      if (this.pieces.length > 0) yield { content: this.pieces.shift()! }
      else await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
    await this.over()
  }
}

/** The model, but for what it generates. */
function driven(options: HandlerOptions = {}) {
  const generation = new Driven()
  const start = (_: unknown, options: GenerateOptions): Driven => {
    generation.options = options
    options.signal?.addEventListener('abort', () => generation.end(options.signal!.reason))
    return generation
  }
  const fake = Object.assign(Object.create(model) as Model, { generate: start, chat: start })
  return { generation, handler: createHandler(fake, options) }
}

/** Lets everything run that waits for no timer. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve))
}

class Reader {
  text = ''
  constructor({ body }: Response) {
    void (async () => {
      for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) this.text += Buffer.from(bytes).toString()
    })()
  }
  async take(): Promise<string> {
    await settle()
    const { text } = this
    this.text = ''
    return text
  }
}

/** With timers that move when the test moves them. */
function timed(name: string, run: (tick: (seconds: number) => Promise<void>) => Promise<void>): void {
  test(name, async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      await run(async (seconds) => {
        await settle()
        mock.timers.tick(seconds * 1000)
        await settle()
      })
    } finally {
      mock.timers.reset()
    }
  })
}

for (const path of PATHS) {
  timed(`${path}: a prompt that is read says so by headers, comments, and nothing else`, async (tick) => {
    const { generation, handler } = driven()
    const answered = handler(post(path, bodyOf(path)))
    await settle()
    generation.options.onPrompt!({ done: 0, total: 9 })
    const response = await answered
    assert.is(response.status, 200)
    assert.match(response.headers.get('content-type')!, 'text/event-stream')
    assert.is(response.headers.get('x-accel-buffering'), 'no')
    const reader = new Reader(response)
    assert.is(await reader.take(), '')
    await tick(4)
    assert.is(await reader.take(), '')
    for (let i = 0; i < 3; i++) {
      await tick(5)
      assert.is(await reader.take(), ':\n\n')
    }
    generation.piece('a')
    assert.match(await reader.take(), /^data: \{.*\}\n\n$/s)
    // A token that takes long.
    await tick(4.9)
    assert.is(await reader.take(), '')
    await tick(0.1)
    assert.is(await reader.take(), ':\n\n')
    generation.end()
    assert.match(await reader.take(), path === '/completion' ? /^data: .*"stop":true/s : /\[DONE\]\n\n$/)
    await tick(60)
    assert.is(await reader.take(), '')
  })

  timed(`${path}: what is not even begun is headers after a second`, async (tick) => {
    const { generation, handler } = driven({ ssePingInterval: 2 })
    let response: Response | undefined
    void handler(post(path, bodyOf(path))).then((one) => (response = one))
    await tick(0.9)
    assert.is(response, undefined)
    await tick(0.1)
    assert.is(response!.status, 200)
    const reader = new Reader(response!)
    await tick(2)
    assert.is(await reader.take(), ':\n\n')
    generation.end(new ContextError('CONTEXT_EXCEEDED', 'It is too long.', 5))
    // The status is out: an error is an event.
    assert.match(await reader.take(), /^data: \{"error":\{.*context_length_exceeded.*\}\}\n\n$/s)
  })

  timed(`${path}: what fails at once fails by its status`, async () => {
    const { generation, handler } = driven()
    const answered = handler(post(path, bodyOf(path)))
    await settle()
    generation.end(new ContextError('CONTEXT_EXCEEDED', 'It is too long.', 5))
    assert.is((await answered).status, 400)
  })

  timed(`${path}: a request in the queue gets headers at once, and comments`, async (tick) => {
    const { generation, handler } = driven({ parallel: 1, queue: 1 })
    void handler(post(path, bodyOf(path)))
    await settle()
    const response = await handler(post(path, bodyOf(path)))
    assert.is(response.status, 200)
    const reader = new Reader(response)
    await tick(5)
    assert.is(await reader.take(), ':\n\n')
    // Who may not wait is told by the status.
    assert.is((await handler(post(path, bodyOf(path)))).status, 429)
    generation.end()
    await settle()
  })

  timed(`${path}: the interval may be the request's, and none`, async (tick) => {
    for (const [options, fields, seconds] of [
      [{}, { sse_ping_interval: 1 }, 1],
      [{ ssePingInterval: 7 }, {}, 7],
      [{ ssePingInterval: -1 }, { sse_ping_interval: 3 }, 3],
      [{ ssePingInterval: 0 }, {}, Infinity],
      [{}, { sse_ping_interval: -1 }, Infinity],
      [{}, { sse_ping_interval: 2147483647 }, Infinity],
    ] as const) {
      const { generation, handler } = driven(options)
      const answered = handler(post(path, bodyOf(path, fields)))
      await settle()
      generation.options.onPrompt!({ done: 0, total: 9 })
      const reader = new Reader(await answered)
      await tick(Math.min(seconds - 0.5, 100))
      assert.is(await reader.take(), '')
      await tick(0.5)
      assert.is(await reader.take(), seconds === Infinity ? '' : ':\n\n')
      generation.end()
      await settle()
    }
  })
}

timed('/v1/messages: silence is filled by pings, and a failure has the form of the API', async (tick) => {
  const { generation, handler } = driven({ onError: () => {} })
  const answered = handler(post('/v1/messages', bodyOf('chat')))
  await settle()
  generation.options.onPrompt!({ done: 2, total: 9 })
  const reader = new Reader(await answered)
  assert.match(await reader.take(), /^event: message_start\ndata: .*"input_tokens":7.*"cache_read_input_tokens":2/)
  await tick(5)
  assert.is(await reader.take(), 'event: ping\ndata: {"type":"ping"}\n\n')
  generation.piece('a')
  assert.match(await reader.take(), /^event: content_block_start\n.*\n\nevent: content_block_delta\n/)
  generation.end(new WorkerError('WORKER_FAILED', 'It is gone.'))
  assert.match(await reader.take(), /^event: error\ndata: \{"type":"error","error":\{"type":"overloaded_error".*\n\n$/)
})

timed('/v1/responses: what fails late fails in a response', async (tick) => {
  const { generation, handler } = driven()
  let response: Response | undefined
  void handler(post('/v1/responses', { input: 'Hi', stream: true })).then((one) => (response = one))
  await tick(1)
  const reader = new Reader(response!)
  await tick(5)
  assert.is(await reader.take(), ':\n\n')
  generation.end(new ContextError('CONTEXT_EXCEEDED', 'It is too long.', 5))
  const failed = /^event: response.created\n.*event: response.failed\n.*"code":"context_length_exceeded"/s
  assert.match(await reader.take(), failed)
})

test('progress of the prompt is told where it is asked for, with timings, before any text', async () => {
  for (const path of PATHS) {
    const { generation, handler } = driven()
    const answered = handler(post(path, bodyOf(path, { return_progress: true, timings_per_token: true })))
    await settle()
    for (const done of [1, 5, 3, 9]) generation.options.onPrompt!({ done, total: 9 })
    const reader = new Reader(await answered)
    const events = (await reader.take())
      .split('\n\n')
      .filter(Boolean)
      .map((event) => JSON.parse(event.slice('data: '.length)))
    // A sequence that was preempted reads again what it has told.
    assert.equal(
      events.map(({ prompt_progress: { total, cache, processed } }) => [total, cache, processed]),
      [
        [9, 1, 1],
        [9, 1, 5],
        [9, 1, 9],
      ],
    )
    assert.equal(
      events.map(({ timings }) => [timings.cache_n, timings.prompt_n]),
      [
        [1, 0],
        [1, 4],
        [1, 8],
      ],
    )
    assert.is(events[0].timings.prompt_ms, 0)
    generation.piece('a')
    const [first] = (await reader.take()).split('\n\n').slice(-2)
    const { timings } = JSON.parse(first!.slice('data: '.length))
    assert.equal([timings.predicted_n, timings.prompt_n], [1, 8])
    generation.end()
  }
})

test('over HTTP the headers leave before there is anything to say', async () => {
  const { generation, handler } = driven()
  const { url, drain } = await listen(handler, { host: '127.0.0.1', port: 0 })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const body = JSON.stringify(bodyOf('/v1/completions'))
  socket.write(`POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  while (!generation.options.onPrompt) await settle()
  generation.options.onPrompt({ done: 0, total: 9 })
  const [head] = await once(socket, 'data')
  assert.match(String(head), /^HTTP\/1\.1 200 OK\r\n.*text\/event-stream.*\r\n\r\n$/is)
  generation.end()
  await drain()
  socket.destroy()
})

test.run()
