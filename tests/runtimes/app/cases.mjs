/** What a reader does in the app, which is in the frame of this page: the page that drives it outlives its reloads. */
const frame = document.querySelector('iframe')
const page = () => frame.contentDocument
const all = (selector, from = page()) => [...from.querySelectorAll(selector)]
const one = (selector, from) => all(selector, from)[0]

const LIMIT = 20_000

/** What a condition gives as soon as it gives something. */
async function until(condition, what) {
  const end = performance.now() + LIMIT
  for (;;) {
    const found = condition()
    if (found) return found
    if (performance.now() > end) throw new Error(`${what} did not come; the page says: ${page()?.body?.textContent}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const isShown = (element) => element.checkVisibility?.({ visibilityProperty: true }) ?? element.offsetParent !== null
const nameOf = (element) => element.getAttribute('aria-label') ?? element.textContent.trim()

/** The button of a name that can be pressed, the last one. */
function button(name, from) {
  return until(
    () =>
      all('button', from).findLast(
        (element) => nameOf(element).startsWith(name) && isShown(element) && !element.disabled,
      ),
    `the button ${name}`,
  )
}

async function press(name, from) {
  const found = await button(name, from)
  found.click()
}

/** As if it had been typed. */
function type(element, text) {
  const { prototype } =
    frame.contentWindow[element.localName === 'textarea' ? 'HTMLTextAreaElement' : 'HTMLInputElement']
  Object.getOwnPropertyDescriptor(prototype, 'value').set.call(element, text)
  element.dispatchEvent(new Event('input', { bubbles: true }))
  element.dispatchEvent(new Event('change', { bubbles: true }))
}

function key(element, name) {
  const { KeyboardEvent } = frame.contentWindow
  element.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true }))
}

async function visit(address) {
  await new Promise((resolve) => {
    frame.addEventListener('load', resolve, { once: true })
    if (address) frame.src = address
    else frame.contentWindow.location.reload()
  })
  await until(() => one('#question'), 'the app')
}

async function loadBuiltIn() {
  await press('Try the built-in one')
  await until(() => one('#model')?.textContent === 'stories260K', 'the built-in model')
}

async function set(fields) {
  await press('Settings')
  for (const [name, value] of Object.entries(fields)) type(one(`#field-${name}`), value)
  await press('Close')
}

const answers = () => all('.message.assistant > .markdown').map(({ textContent }) => textContent.trim())
const questions = () => all('.message.user .said').map(({ textContent }) => textContent)
const chats = () => all('.chat-title').map(({ textContent }) => textContent)
/** Nothing is under way. */
const done = () =>
  until(() => one('.message.assistant .message-foot') && !one('.message[aria-busy="true"]'), 'an answer')
/** Of the last turn that has several. */
const version = () => all('.branches').at(-1)?.textContent.replaceAll('Version', '').trim()

async function ask(text) {
  const field = await until(() => one('#question'), 'the field')
  type(field, text)
  // The field's text is known before the key is.
  await button('Send')
  key(field, 'Enter')
}

/** A conversation and its branches. */
export async function chat({ prompt, other }) {
  await visit('./')
  const welcome = one('h1').textContent
  await loadBuiltIn()
  await set({ temperature: '0', maxTokens: '40', seed: '1' })
  await ask(prompt)
  await done()
  const [first] = answers()
  const stats = one('.stats').textContent
  const context = one('.context').textContent.trim()
  await press('Answer again')
  await until(() => version() === '2 / 2', 'a second version')
  await done()
  const [second] = answers()
  await press('Edit', one('.message.user'))
  type(await until(() => one('.editor textarea'), 'the editor'), other)
  await press('Ask again')
  await until(() => questions()[0] === other, 'the other question')
  await done()
  const [edited] = answers()
  await press('Version before', one('.message.user'))
  await until(() => questions()[0] === prompt, 'the question before')
  return { welcome, first, stats, context, second, edited, back: answers()[0] }
}

/** An answer that is stopped, in a second conversation. */
export async function stop() {
  // Surprising texts do not end by themselves.
  await set({ temperature: '5', maxTokens: '' })
  await press('New chat')
  await until(() => answers().length === 0, 'an empty conversation')
  await ask('Stop this')
  await until(() => answers()[0], 'the begin of an answer')
  await press('Stop')
  await done()
  const stopped = one('.message.assistant').textContent.includes('Stopped.')
  const said = all('[role="log"] p').map(({ textContent }) => textContent)
  return { stopped, partial: answers()[0], said, chats: chats() }
}

/** What is there after a reload, and what is gone after a deletion. */
export async function keep({ prompt }) {
  await visit()
  await until(() => chats().length === 2, 'two conversations')
  const reloaded = questions()
  await press(prompt)
  await until(() => questions()[0] === prompt, 'the first conversation')
  const opened = answers()
  await press(`Rename ${prompt}`)
  type(await until(() => one('.renamer input'), 'the field of the name'), 'A name')
  one('.renamer').requestSubmit()
  await until(() => chats().includes('A name'), 'the new name')
  await press('Delete A name')
  await until(() => chats().length === 1, 'one conversation')
  await press('Undo')
  await until(() => chats().length === 2, 'two conversations again')
  await press('Delete A name')
  await until(() => chats().length === 1, 'one conversation')
  await visit()
  await until(() => chats().length > 0, 'the conversations')
  return { reloaded, opened, left: chats() }
}

/** A model's file and a file of conversations, dropped. */
export async function drop({ text }) {
  await visit('./')
  const model = await (await fetch('stories260K.gguf')).arrayBuffer()
  const dropped = (name, content) => {
    const dataTransfer = new frame.contentWindow.DataTransfer()
    dataTransfer.items.add(new frame.contentWindow.File([content], name))
    page().body.dispatchEvent(
      new frame.contentWindow.DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }),
    )
  }
  dropped('dropped.gguf', model)
  await until(() => one('.facts'), 'what the header says')
  const facts = one('.candidate').textContent
  await press('Load')
  await until(() => one('#model')?.textContent === 'stories260K', 'the dropped model')
  await press('Settings')
  one('.check input').click()
  await press('Close')
  await set({ temperature: '0', maxTokens: '10' })
  await ask('Once')
  await done()
  await press('Tokens')
  const tokens = await until(() => one('.token') && all('.token'), 'the tokens')
  tokens[2].click()
  const alternatives = (await until(() => one('.alternatives') && all('.alternatives tr'), 'the alternatives')).length
  dropped('damaged.gguf', new Uint8Array(100))
  const problem = (await until(() => one('.candidate [role="alert"]'), 'a problem')).textContent
  await press('Close')
  dropped('other.json', text)
  await until(() => chats().includes('Imported'), 'the imported conversation')
  await press('Imported')
  await until(() => one('.message.assistant > .markdown pre'), 'its Markdown')
  const answer = one('.message.assistant > .markdown')
  return {
    facts,
    problem,
    tokens: tokens.length,
    alternatives,
    folded: !one('.reasoning').open,
    html: answer.innerHTML,
    scripts: all('script, img, iframe, style, form, [onclick], [style]', answer).length,
    links: all('a', answer).map(({ href, rel }) => [href, rel]),
    copy: nameOf(one('[data-copy]', answer)),
    hacked: typeof frame.contentWindow.hacked,
  }
}

/** A phone's width. */
export async function phone() {
  frame.width = '360'
  frame.height = '640'
  await visit('./')
  const { clientWidth, scrollWidth } = page().documentElement
  const field = one('#question').getBoundingClientRect()
  const hidden = !isShown(one('.sidebar'))
  await press('Conversations')
  await until(() => isShown(one('.sidebar')), 'the list')
  key(page().body, 'Escape')
  await until(() => !isShown(one('.sidebar')), 'the list’s end')
  await press('Choose a model')
  const dialog = (await until(() => one('dialog[open]'), 'the dialog')).getBoundingClientRect()
  const wide = one('dialog').scrollWidth
  key(one('dialog'), 'Escape')
  await press('Close')
  frame.width = '1200'
  return { clientWidth, scrollWidth, bottom: field.bottom, right: field.right, hidden, dialog: dialog.width, wide }
}

/** Where everything came from, once the service worker has the page. */
export async function origins() {
  await visit('./')
  const { serviceWorker } = frame.contentWindow.navigator
  await until(() => serviceWorker.controller, 'the service worker')
  await loadBuiltIn()
  const { performance, crossOriginIsolated } = frame.contentWindow
  const origins = performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin)
  return { origins: [...new Set(origins)], own: location.origin, isolated: crossOriginIsolated }
}

/** The server is gone. */
export async function offline({ prompt }) {
  await visit('./')
  const reached = await fetch('missing.txt').then(
    ({ status }) => status,
    () => 'nothing',
  )
  await loadBuiltIn()
  await set({ temperature: '0', maxTokens: '40' })
  await press('New chat')
  await ask(prompt)
  await done()
  return { answer: answers()[0], reached }
}
