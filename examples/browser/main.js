/** A page that loads a GGUF file by URL or from the device: it chats with a model that has a chat template, else goes on from a text. */
import { load } from 'cria'

const element = (id) => document.getElementById(id)
const [url, file, status, progress] = ['url', 'file', 'status', 'progress'].map(element)
const [prompt, generate, stop, text] = ['prompt', 'generate', 'stop', 'text'].map(element)

let model
/** The conversation, where the model has a chat template. */
let chat
/** Ends what is under way. */
let controller

url.value = new URL('../../models/stories260K.gguf', location.href).href

element('choose').addEventListener('submit', (event) => {
  event.preventDefault()
  open(new URL(url.value))
})
file.addEventListener('change', () => {
  if (file.files.length > 0) open(file.files[0])
})
element('ask').addEventListener('submit', (event) => {
  event.preventDefault()
  answer()
})
stop.addEventListener('click', () => controller.abort())

/** Loads a model in place of the one before. */
async function open(input) {
  begin()
  try {
    await model?.close()
    model = chat = undefined
    progress.hidden = false
    model = await load(input, { signal: controller.signal, onProgress: show })
    if (model.info.chatTemplate) chat = model.createChat()
    prompt.value = chat ? '' : 'Once upon a time'
    generate.textContent = chat ? 'Send' : 'Generate'
    text.textContent = ''
    status.textContent = describe(model.info)
  } catch (error) {
    status.textContent = error.message
  } finally {
    progress.hidden = true
    end()
  }
}

function show({ phase, done, total }) {
  progress.max = total
  progress.value = done
  status.textContent = `Loading: ${phase}, ${megabytes(done)} of ${megabytes(total)}`
}

/** Which build runs and on how many threads; a page that is not isolated has one. */
function describe({ name, type, fileBytes, isa, threads, shared, context }) {
  const how = `${isa} build, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
  const why = shared ? '' : ' (this page is not cross-origin isolated: see the README)'
  return `${name}, ${type}, ${megabytes(fileBytes)}, context ${context}: ${how}${why}.`
}

async function answer() {
  begin()
  status.textContent = describe(model.info)
  const options = { maxTokens: 400, signal: controller.signal }
  if (chat) text.append(`${text.textContent ? '\n\n' : ''}> ${prompt.value}\n\n`)
  else text.textContent = prompt.value
  try {
    const generation = chat ? chat.send(prompt.value, options) : model.generate(prompt.value, options)
    if (chat) prompt.value = ''
    for await (const piece of generation) text.append(piece)
    const { completionTokens, timings } = await generation.result()
    status.textContent = `${describe(model.info)} ${completionTokens} tokens, ${timings.tokensPerSecond.toFixed(1)} a second.`
  } catch (error) {
    status.textContent = error.code === 'ABORTED' ? 'Stopped.' : error.message
  } finally {
    end()
  }
}

function begin() {
  controller?.abort()
  controller = new AbortController()
  generate.disabled = true
  stop.disabled = false
}

function end() {
  generate.disabled = model === undefined
  stop.disabled = true
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
