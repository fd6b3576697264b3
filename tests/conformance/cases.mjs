/**
 * What every runtime must do: each case takes and gives plain data. Knows only the web's standards and `cria`, which a page
 * maps to dist/web/index.js. `model` is an http URL.
 */
import * as cria from 'cria'
import { conformance } from 'cria/conformance'
import { watchWorkers } from './workers.mjs'

export { killed, loads } from './workers.mjs'

const { load } = cria

/** Every case of js/conformance, and what the runtime offers. */
export async function conform(material) {
  return { ...(await conformance(cria, material)), capabilities: cria.capabilities() }
}

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

/** The SHA-256 of each configuration's logits, [tokens, vocabulary] f32. */
export async function logits({ model, tokens, configurations }) {
  const hashes = []
  for (const options of configurations) {
    const loaded = await load(model, options)
    const ids = Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % loaded.info.vocabularySize)
    const { data } = await loaded.logits(ids)
    hashes.push(hex(await crypto.subtle.digest('SHA-256', data)))
    await loaded.close()
  }
  return hashes
}

/** The SHA-256 of what quantizing makes of a file in each type, or the error's code. Files are in base64. */
export async function quantized({ file, imatrix, types }) {
  const hashes = []
  for (const type of types) {
    const options = { threads: 1, onWarning() {}, ...(imatrix && { imatrix: bytesOf(imatrix) }) }
    try {
      const parts = []
      for await (const part of cria.quantize(bytesOf(file), type, options)) parts.push(part)
      hashes.push(hex(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer())))
    } catch (error) {
      hashes.push(error.code)
    }
  }
  return hashes
}

/** The SHA-256 of a model's importance matrices, measured in several configurations. */
export async function imatrix({ model, configurations, ids, options }) {
  const hashes = []
  for (const configuration of configurations) {
    const loaded = await load(model, configuration)
    hashes.push(hex(await crypto.subtle.digest('SHA-256', await loaded.imatrix(ids, options))))
    await loaded.close()
  }
  return hashes
}

/** The ids of a text, by the vocabulary that came from the worker. */
export async function tokenized({ model, text }) {
  const loaded = await load(model)
  const ids = loaded.tokenize(text)
  await loaded.close()
  return ids
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
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
 * Loads a model, generates and closes it, again and again.
 * @returns what is left after the first and after the last round
 */
export async function rounds({ model, options, count }) {
  let workers = 0
  // What has been ended must not be held here.
  const ended = new WeakSet()
  const onEnd = (worker) => {
    if (!ended.has(worker)) workers--
    ended.add(worker)
  }
  await watchWorkers(() => workers++, onEnd)
  const signal = watchedSignal()
  const left = []
  const closed = []
  for (let round = 1; round <= count; round++) {
    const loaded = await load(model, { ...options, signal: signal.signal })
    const { text } = await loaded.generate('', { temperature: 0, maxTokens: 20, signal: signal.signal }).result()
    if (!text.startsWith('Once upon a time')) throw new Error(`round ${round}: ${text}`)
    await loaded.close()
    // A closed model may be held on to; its memory must not be.
    closed.push(loaded)
    // Engines would rather grow than clean up; what cannot be cleaned up grows all the same.
    if (round % 10 === 0) collect()
    if (round === 1 || round === count) left.push({ ...(await remains()), workers, listeners: signal.count() })
  }
  return left
}

/** A signal that never fires and counts who listens to it. */
function watchedSignal() {
  const { signal } = new AbortController()
  const { addEventListener, removeEventListener } = signal
  const listeners = []
  signal.addEventListener = (type, listener, options) => {
    listeners.push(listener)
    addEventListener.call(signal, type, listener, options)
  }
  signal.removeEventListener = (type, listener, options) => {
    const at = listeners.indexOf(listener)
    if (at >= 0) listeners.splice(at, 1)
    removeEventListener.call(signal, type, listener, options)
  }
  return { signal, count: () => listeners.length }
}

/** Collects garbage, where that can be asked for. */
function collect() {
  globalThis.Bun?.gc(true)
  globalThis.gc?.()
}

/** What applyTemplate gives, or its error's code: before a chat, after one, and after one with the template. */
export async function rendered({ model, template }) {
  const messages = [{ role: 'user', content: 'Once' }]
  const loaded = await load(model, { onWarning() {} })
  const outcomes = []
  for (const options of [undefined, {}, { template }]) {
    if (options) await loaded.chat(messages, { ...options, maxTokens: 1 }).result()
    for (const given of [{}, { template }]) {
      try {
        outcomes.push(loaded.applyTemplate(messages, given))
      } catch ({ code }) {
        outcomes.push(code)
      }
    }
  }
  await loaded.close()
  return outcomes
}

/** Bytes of memory, threads, and handles that keep a process alive: what the runtime can tell. */
async function remains() {
  const { process, performance } = globalThis
  // What has been ended is gone a moment later, and what only that held can be collected then.
  for (let i = 0; i < 2; i++) {
    await sleep(200)
    collect()
  }
  if (!process?.memoryUsage) {
    const measured = await performance.measureUserAgentSpecificMemory?.()
    return measured ? { memory: measured.bytes } : {}
  }
  const { readdirSync } = await import(`node:${'fs'}`)
  return {
    memory: process.memoryUsage().rss,
    threads: readdirSync('/proc/self/task').length,
    handles: process.getActiveResourcesInfo?.().filter((name) => name !== 'Timeout') ?? [],
  }
}

/**
 * Loads a model, generates, talks and aborts: what a page does.
 * @returns how many tokens were generated, and the milliseconds from each abort to its effect
 */
export async function session({ model, tokens, words }) {
  const loaded = await load(model, {})
  const options = { temperature: 0, maxTokens: tokens, ignoreEos: true }
  const { ids } = await loaded.generate('Once upon a time', options).result()
  const chat = loaded.createChat({ system: 'Be brief.' })
  for (const message of ['Hello!', 'And then?']) await chat.send(message, { maxTokens: 10 }).result()
  const aborts = []
  for (const prompt of ['Once', 'word '.repeat(words)]) {
    const controller = new AbortController()
    const endless = { ignoreEos: true, contextShift: true, signal: controller.signal }
    const work = errorOf(loaded.generate(prompt, endless).result())
    await sleep(300)
    const began = performance.now()
    controller.abort()
    const { code } = await work
    aborts.push({ code, milliseconds: performance.now() - began })
  }
  await loaded.close()
  return { tokens: ids.length, aborts }
}

/** Does nothing but take up the thread for a while. */
export async function busy({ milliseconds }) {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
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
