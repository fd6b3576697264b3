/** Pages in Chromium that load the model and tell a story: their script, and what came of it. */
import * as assert from 'uvu/assert'
import { load } from '../../js/index.ts'
import { STORIES } from '../api-helpers.ts'
import { openChromium, type Page } from './chromium.ts'
import { CASE_TIMEOUT, startServer, withinTime } from './driver.ts'

const PROMPT = 'Once upon a time'
const GREEDY = { maxTokens: 60, temperature: 0 }
const reference = await load(STORIES, { threads: 1, inProcess: true })
export const { text: story } = await reference.generate(PROMPT, GREEDY).result()
await reference.close()

/** Of servers that have the page and the model alone. */
export const MODEL = ['--file', `/model.gguf=${STORIES}`]

export interface Told {
  text: string
  threads: number
  isaReason: string
  violations: string[]
}

/** A page's script: what `load` makes of the model with `options`, as the global `told`. */
export function script(from: string, options: object): string {
  return `import { load } from '${from}'
const violations = []
addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective))
async function tell() {
  const model = await load(new URL('/model.gguf', location.href), ${JSON.stringify(options)})
  const { text } = await model.generate('${PROMPT}', ${JSON.stringify(GREEDY)}).result()
  const { threads, isaReason } = model.info
  await model.close()
  return { text, threads, isaReason, violations }
}
globalThis.told = tell()`
}

export async function onPage<T>(args: string[], path: string, use: (page: Page) => Promise<T>): Promise<T> {
  const server = await startServer(args)
  try {
    return await inBrowser(await openChromium(), server.url + path, use)
  } finally {
    server.close()
  }
}

export async function inBrowser<T>(
  browser: { newPage(): Promise<Page>; close(): Promise<void> },
  url: string,
  use: (page: Page) => Promise<T>,
): Promise<T> {
  try {
    const page = await browser.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(url)
    const result = await use(page)
    assert.equal(errors, [])
    return result
  } finally {
    await browser.close()
  }
}

export async function toldOn(page: Page): Promise<Told> {
  await page.waitForFunction('globalThis.told')
  return withinTime(CASE_TIMEOUT, page.evaluate<Told>('told'), 'the story')
}
