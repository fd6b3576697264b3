/**
 * What every runtime must do: each case takes and gives plain data. Knows only the web's standards and `cria`, which a page
 * maps to dist/web/index.js. `model` is an http URL.
 */
import { load } from 'cria'

/** A story at temperature 0, and how it was told. */
export async function story({ model, options, generate }) {
  const loaded = await load(model, options)
  try {
    const pieces = []
    for await (const piece of loaded.generate('', { temperature: 0, ...generate })) pieces.push(piece)
    return told(loaded, pieces.join(''))
  } finally {
    await loaded.close()
  }
}

/** The same from a File, a Blob and bytes. */
export async function storyOfFile({ model, options, generate }) {
  const bytes = await (await fetch(model)).arrayBuffer()
  const inputs = { file: new File([bytes], 'story.gguf'), blob: new Blob([bytes]), bytes }
  const texts = {}
  for (const [kind, input] of Object.entries(inputs)) {
    const loaded = await load(input, options)
    texts[kind] = (await loaded.generate('', { temperature: 0, ...generate }).result()).text
    await loaded.close()
  }
  return texts
}

function told({ info }, text) {
  const { threads, shared, isa, kv } = info
  return { text, threads, shared, isa, kv, isolated: globalThis.crossOriginIsolated }
}

/** The SHA-256 of each way's logits, [tokens, vocabulary] f32. */
export async function logits({ model, tokens, ways }) {
  const hashes = []
  for (const options of ways) {
    const loaded = await load(model, options)
    const ids = Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % loaded.info.vocabularySize)
    const { data } = await loaded.logits(ids)
    hashes.push(hex(await crypto.subtle.digest('SHA-256', data)))
    await loaded.close()
  }
  return hashes
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Aborts a generation and a prompt under way; the model goes on. Milliseconds from each abort to its error. */
export async function aborted({ model, options }) {
  const loaded = await load(model, options)
  const starts = {
    generate: (signal) => loaded.generate('', { temperature: 0, ignoreEos: true, signal }).result(),
    logits: (signal) =>
      loaded.logits(
        Array.from({ length: 500 }, (_, i) => i),
        { signal },
      ),
  }
  const outcomes = {}
  for (const [name, start] of Object.entries(starts)) {
    const controller = new AbortController()
    const work = errorOf(start(controller.signal))
    await sleep(20)
    const began = performance.now()
    controller.abort(new Error('enough'))
    outcomes[name] = { ...(await work), milliseconds: performance.now() - began }
  }
  const { text } = await loaded.generate('', { temperature: 0, maxTokens: 5 }).result()
  await loaded.close()
  return { outcomes, text }
}

/** What loading rejects with. */
export async function failedLoad({ model, options }) {
  return errorOf(load(model, options))
}

/** Closes a model while it generates: what that and later calls reject with, and what closing again does. */
export async function closed({ model, options }) {
  const loaded = await load(model, options)
  const running = errorOf(loaded.generate('', { temperature: 0, ignoreEos: true }).result())
  await sleep(20)
  await loaded.close()
  await loaded.close()
  return { running: await running, later: await errorOf(loaded.logits([1])) }
}

/**
 * Ends one of a model's workers from outside while it generates, where workers are the web's: as if the browser had.
 * @returns what the generation rejects with, and after how many milliseconds
 */
export async function deadWorker({ model, options, which }) {
  const workers = []
  globalThis.Worker = class extends Worker {
    constructor(...args) {
      super(...args)
      workers.push(this)
    }
  }
  const loaded = await load(model, options)
  const work = errorOf(endless(loaded))
  await sleep(50)
  const began = performance.now()
  workers[which].terminate()
  const error = await work
  const milliseconds = performance.now() - began
  await loaded.close()
  return { ...error, milliseconds, workers: workers.length }
}

/** A thread that fails before it is ready, in a promise that nobody waits for: what loading rejects with. */
export async function failedThread({ model, options }) {
  globalThis.Worker = class extends Worker {
    constructor(url, settings) {
      super(url, settings)
      this.thread = settings.name === 'cria thread'
    }
    postMessage(message, ...transfer) {
      super.postMessage(this.thread ? 'no message of cria' : message, ...transfer)
    }
  }
  return errorOf(load(model, options))
}

/** Generates again and again. */
async function endless(loaded) {
  for (;;) await loaded.generate('', { temperature: 0, ignoreEos: true }).result()
}

async function errorOf(work) {
  try {
    await work
    return { name: 'none' }
  } catch (error) {
    const { name, code, message, value } = error
    return { name, code, message, value }
  }
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
