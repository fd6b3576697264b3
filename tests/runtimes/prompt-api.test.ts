/** Chrome's Prompt API on a page, with cria's model: as a page uses it, as a global. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { load } from '../../js/index.ts'
import { STORIES } from '../api-helpers.ts'
import { withChromium } from './chromium.ts'
import { CASE_TIMEOUT, withinTime } from './driver.ts'
import { MODEL, onPage } from './pages.ts'

const FOLDER = 'build/prompt-api'
const SCRIPT = `import { load } from '/dist/web/index.js'
import { installPromptApi } from '/dist/prompt-api.js'

async function tell() {
  const model = (options) => load(new URL('/model.gguf', location.href), { ...options, grammars: true })
  const installed = installPromptApi(model, { replace: true })
  const before = await LanguageModel.availability()
  const loaded = []
  const session = await LanguageModel.create({
    samplingMode: 'most-predictable',
    monitor: (m) => m.addEventListener('downloadprogress', (event) => loaded.push(event.loaded)),
  })
  const stream = session.promptStreaming('Once upon a time', { responseConstraint: /[a-z]{1,5}/ })
  let text = ''
  for await (const piece of stream) text += piece
  const wrong = await session.prompt([{ role: 'system', content: 'x' }]).catch((error) => error.name)
  session.destroy()
  const late = await session.prompt('x').catch((error) => [error instanceof DOMException, error.name])
  return { installed, before, after: await LanguageModel.availability(), ends: [loaded[0], loaded.at(-1)], text, wrong, late }
}
globalThis.told = tell()
`

withChromium(() => {
  test('a page makes a session, prompts it and destroys it', async () => {
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(`${FOLDER}/page.js`, SCRIPT)
    const html =
      '<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>'
    writeFileSync(`${FOLDER}/index.html`, html)
    const told = await onPage(MODEL, `${FOLDER}/index.html`, async (page) => {
      await page.waitForFunction('globalThis.told')
      return withinTime(CASE_TIMEOUT, page.evaluate<object>('told'), 'the session')
    })
    const model = await load(STORIES, { threads: 1, inProcess: true, onWarning: () => {} })
    const question = [{ role: 'user', content: 'Once upon a time' }]
    const { text } = await model.chat(question, { temperature: 0, regex: '[a-z]{1,5}' }).result()
    await model.close()
    assert.equal(told, {
      installed: true,
      before: 'downloadable',
      after: 'available',
      ends: [0, 1],
      text,
      wrong: 'TypeError',
      late: [true, 'AbortError'],
    })
  })
})

test.run()
