/** The page of examples/browser: loads a model by URL and from a file, streams text, says how it runs. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SMOLLM, STORIES } from '../api-helpers.ts'
import { sharedTest } from '../shared.ts'
import { chromium, openChromium, type Page } from './chromium.ts'
import { startServer } from './driver.ts'

async function onPage(flags: string[], run: (page: Page) => Promise<void>): Promise<void> {
  const server = await startServer(flags)
  const browser = await openChromium()
  try {
    const page = await browser.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(`${server.url}examples/browser/`)
    await run(page)
    assert.equal(errors, [])
  } finally {
    await browser.close()
    server.close()
  }
}

const status = (page: Page): Promise<string> => page.evaluate('document.querySelector("#status").textContent')
const says = (page: Page, what: string): Promise<unknown> =>
  page.waitForFunction(`document.querySelector('#status').textContent.includes(${JSON.stringify(what)})`)

/** Generates, and waits until it is done. */
async function generated(page: Page): Promise<string> {
  // What it says of an answer before does not count.
  await page.evaluate('document.querySelector("#status").textContent = ""')
  await page.click('#generate')
  await says(page, 'tokens, ')
  return page.evaluate('document.querySelector("#text").textContent')
}

async function isolated(page: Page): Promise<void> {
  await page.click('#choose button')
  await says(page, ' build')
  assert.match(await status(page), /, context 512: (relaxed|simd) build, [1-9]\d* threads?\.$/)
  assert.match(await generated(page), /^Once upon a time, /)
  if (process.env.CRIA_SCREENSHOT) await page.screenshot({ path: process.env.CRIA_SCREENSHOT })
}

async function bare(page: Page): Promise<void> {
  await page.setInputFiles('#file', STORIES)
  await says(page, ' build')
  assert.match(await status(page), /build, 1 thread \(this page is not cross-origin isolated/)
  assert.match(await generated(page), /^Once upon a time, /)
}

/** A model with a chat template answers, turn after turn. */
async function chats(page: Page): Promise<void> {
  await page.setInputFiles('#file', SMOLLM)
  await says(page, ' build')
  for (const question of ['What is the capital of France?', 'And of Italy?']) {
    await page.evaluate(`document.querySelector('#prompt').value = ${JSON.stringify(question)}`)
    await generated(page)
  }
  // The page samples: what it says is another text each time.
  const text = await page.evaluate<string>('document.querySelector("#text").textContent')
  assert.match(text, /^> What is the capital of France\?\n\n.*\w.*\n\n> And of Italy\?\n\n.*\w/s)
}

const missing = chromium.missing()
if (missing !== undefined && !process.env.CI) test.skip(`the page: ${missing}`)
else {
  test('isolated, by URL', () => onPage([], isolated))
  test('not isolated, from a file', () => onPage(['--no-isolation'], bare))
  sharedTest('a chat, with a model that has a template', () => onPage([], chats))
}

test.run()
