/** The workers of a model, ended from outside as if the runtime had: what is under way goes on as if nothing had been. */
import { load } from 'cria'

/** Calls back for each worker that is started from now on, and for each call of its `terminate`. */
export async function watchWorkers(onStart, onEnd = () => {}) {
  const watch = ({ prototype }) => {
    const { terminate } = prototype
    prototype.terminate = function () {
      onEnd(this)
      return terminate.call(this)
    }
  }
  // Names of modules that only Node and its kin have stay out of the reach of bundlers and pages.
  const threads = await import(`node:${'worker_threads'}`).catch(() => undefined)
  if (threads?.Worker) {
    const { prototype } = threads.Worker
    const { unref } = prototype
    const seen = new WeakSet()
    // Each is unref'd once it has been started.
    prototype.unref = function () {
      if (!seen.has(this)) onStart(this)
      seen.add(this)
      return unref.call(this)
    }
    watch(threads.Worker)
  } else if (globalThis.Worker) {
    watch(globalThis.Worker)
    globalThis.Worker = class extends Worker {
      constructor(...args) {
        super(...args)
        onStart(this)
      }
    }
  }
}

/** What streams differ in: the sampler and all that goes on from token to token. */
const STREAMS = [
  { temperature: 0, seed: 1 },
  { temperature: 1, seed: 7, mirostat: 2, mirostatTau: 3 },
  { temperature: 0, seed: 1, logprobs: true, topLogprobs: 3 },
  { temperature: 0.9, topK: 0, topP: 1, adaptiveTarget: 0.3, seed: 11, logprobs: true, n: 3 },
  { temperature: 0.8, seed: 3, xtcProbability: 0.5, stop: ['. The', 'zebra', ' and then she'] },
  { temperature: 0.7, seed: 5, repeatPenalty: 1.3, dryMultiplier: 0.8, logitBias: { 400: 2 }, echo: true },
  { temperature: 0, seed: 1, stop: '!', showSpecial: true },
  { temperature: 1, seed: 13, contextShift: true, keep: 4, maxTokens: 280 },
]
const PROMPTS = ['Once upon a time', 'Lily', 'Tom and his dog', 'The cat', 'One day', 'In the garden', 'Then', 'A bird']

/**
 * Runs streams side by side, with a chat and calls of other kinds; then again for each of `runs`, in which workers die.
 * @param runs of each the deaths in order: the number of tokens after which, more milliseconds, and which worker
 * @param streams how many there are
 * @returns what differs from the run without a death, by run; the codes of warnings; and how many workers were started
 */
export async function killed({ model, options, tokens, runs, streams = STREAMS.length }) {
  const workers = []
  await watchWorkers((worker) => workers.push(worker))
  const codes = []
  const loaded = await load(model, { ...options, onWarning: ({ code }) => codes.push(code) })
  const { threads } = loaded.info
  const everything = (onToken) => allCalls(loaded, STREAMS.slice(0, streams), tokens, onToken)
  const expected = await everything(() => {})
  const differences = []
  for (const [run, deaths] of runs.entries()) {
    const due = [...deaths]
    const { length } = codes
    let heard = 0
    const got = await everything(() => {
      heard++
      while (due.length > 0 && heard >= due[0].at) {
        const { delay, which } = due.shift()
        const worker = workers.at(which - threads)
        if (delay === 0) worker.terminate()
        else setTimeout(() => worker.terminate(), delay)
      }
    })
    for (const [name, value] of Object.entries(expected)) {
      if (got[name] !== value) differences.push({ run, name, value, got: got[name] })
    }
    // Chromium ends a thread that computes two seconds later.
    while (codes.length === length) await new Promise((resolve) => setTimeout(resolve, 20)).then(() => loaded.status())
    await loaded.reset()
  }
  await loaded.close()
  return { differences, codes, workers: workers.length }
}

/**
 * Loads a model, generates and closes it, again and again: with each of the options in turn.
 * @returns the different answers, of which there should be one, and all warnings
 */
export async function loads({ model, configurations, tokens, count }) {
  const answers = new Set()
  const warnings = []
  for (let i = 0; i < count; i++) {
    const options = configurations[i % configurations.length]
    const loaded = await load(model, { ...options, onWarning: ({ code, message }) => warnings.push({ code, message }) })
    const ids = Array.from({ length: 70 }, (_, i) => (i * 7919 + 1) % loaded.info.vocabularySize)
    const [{ data }, ...results] = await Promise.all([
      loaded.logits(ids, { from: 69 }),
      ...STREAMS.slice(0, 3).map((one) =>
        loaded.generate('Once', { maxTokens: tokens, ignoreEos: true, ...one }).result(),
      ),
    ])
    answers.add(JSON.stringify([...data, ...results.map(({ ids: answer }) => answer)]))
    await loaded.close()
  }
  return { answers: [...answers], warnings }
}

/** All that is under way at once, by name, as JSON. */
async function allCalls(loaded, streams, tokens, onToken) {
  const ids = Array.from({ length: 90 }, (_, i) => (i * 7919 + 1) % loaded.info.vocabularySize)
  const calls = {
    chat: chat(loaded, tokens, onToken),
    logits: loaded.logits(ids, { from: 80 }).then(({ data }) => [...data]),
    embeddings: loaded.embed(PROMPTS).then(({ embeddings }) => embeddings.map((one) => [...one])),
    state: loaded.saveState(ids).then((state) => [...state.subarray(-32)]),
  }
  for (const [i, options] of streams.entries()) {
    calls[`stream ${i}`] = stream(loaded, PROMPTS[i], { maxTokens: tokens, ignoreEos: true, ...options }, onToken)
  }
  const values = await Promise.all(Object.values(calls))
  return Object.fromEntries(Object.keys(calls).map((name, i) => [name, JSON.stringify(values[i])]))
}

/** What the caller of a generation hears and gets, but for times and cache hits. */
async function stream(loaded, prompt, options, onToken) {
  const pieces = []
  const tokens = []
  let prompted = 0
  const generation = loaded.generate(prompt, {
    ...options,
    onPrompt({ done, total }) {
      if (done <= prompted || done > total) throw new Error(`the prompt is at ${done} of ${total} after ${prompted}`)
      prompted = done
    },
    onToken(token) {
      tokens.push(token)
      onToken()
    },
  })
  for await (const piece of generation) pieces.push(piece)
  return { pieces, tokens, result: lasting(await generation.result()) }
}

function lasting({ timings: _, cachedTokens: __, choices, ...result }) {
  return { ...result, ...(choices && { choices: choices.map(lasting) }) }
}

/** Two turns. */
async function chat(loaded, tokens, onToken) {
  const talk = loaded.createChat({ template: 'chatml', temperature: 0.8, seed: 21, maxTokens: tokens, onToken })
  const results = []
  for (const message of ['Hello!', 'And then?']) results.push(lasting(await talk.send(message).result()))
  return { results, messages: talk.messages }
}
