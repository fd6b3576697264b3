/** Chromium from the system's packages, driven by playwright-core (installed in this folder). */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import { CASE_TIMEOUT, call, type Driver, inPages, PAGE, withinTime } from './driver.ts'

const PATH = process.env.CRIA_CHROMIUM ?? '/usr/bin/chromium'
const PLAYWRIGHT = new URL('./node_modules/playwright-core/index.mjs', import.meta.url)

const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Memory is measured at once instead of after the next collection of garbage, whenever that is.
  '--enable-blink-features=ForceEagerMeasureMemory',
]

/** The parts of playwright-core that are used: it may not be installed where types are checked. */
interface Playwright {
  chromium: {
    launch(options: LaunchOptions): Promise<Browser>
    launchPersistentContext(profile: string, options: LaunchOptions): Promise<Omit<Browser, 'version'>>
  }
}
interface LaunchOptions {
  executablePath: string
  args: readonly string[]
  ignoreDefaultArgs?: readonly string[]
}
interface Browser {
  version(): string
  newPage(): Promise<Page>
  startTracing(page: Page, options: { categories: readonly string[] }): Promise<void>
  stopTracing(): Promise<Buffer>
  close(): Promise<void>
}
export interface Page {
  goto(url: string): Promise<unknown>
  evaluate<T>(run: string): Promise<T>
  waitForFunction(condition: string): Promise<unknown>
  setInputFiles(selector: string, path: string): Promise<void>
  click(selector: string): Promise<void>
  screenshot(options: { path: string }): Promise<unknown>
  on(event: 'pageerror', listener: (error: Error) => void): void
  close(): Promise<void>
}

export const chromium: Driver = {
  name: 'Chromium',
  missing() {
    if (!existsSync(PATH)) return `${PATH} is absent: apt-get install chromium, or set CRIA_CHROMIUM`
    return existsSync(PLAYWRIGHT) ? undefined : 'playwright-core is absent: npm ci --prefix tests/runtimes'
  },
  async start({ url, page: path = PAGE, args = [], timeout = CASE_TIMEOUT }) {
    const browser = await openChromium(args)
    return {
      version: browser.version(),
      ...inPages(() => browser.newPage(), url + path, timeout),
      close: () => browser.close(),
    }
  },
}

export async function openChromium(args: readonly string[] = []): Promise<Browser> {
  const playwright = (await import(fileURLToPath(PLAYWRIGHT))) as Playwright
  return playwright.chromium.launch({ executablePath: PATH, args: [...ARGS, ...args] })
}

/** With an unpacked extension, which lives in a profile alone. */
export async function openWithExtension(folder: string, profile: string): Promise<Omit<Browser, 'version'>> {
  const playwright = (await import(fileURLToPath(PLAYWRIGHT))) as Playwright
  const own = [`--load-extension=${folder}`, '--disable-features=DisableLoadExtensionCommandLineSwitch']
  return playwright.chromium.launchPersistentContext(profile, {
    executablePath: PATH,
    args: [...ARGS, ...own],
    ignoreDefaultArgs: ['--disable-extensions'],
  })
}

/**
 * What a case gives that runs in a fresh page, and the tasks that the main thread had meanwhile, each by the milliseconds
 * of processor time that it took: what else the machine does makes no task long.
 */
export async function traceTasks<T>(
  url: string,
  name: string,
  argument: unknown,
): Promise<{ result: T; tasks: number[] }> {
  const browser = await openChromium()
  try {
    const page = await browser.newPage()
    await page.goto(url + PAGE)
    let result: T
    const tasks = await tasksOf(browser, page, async () => {
      result = await withinTime(CASE_TIMEOUT, page.evaluate<T>(call(name, argument)), name)
    })
    return { result: result!, tasks }
  } finally {
    await browser.close()
  }
}

/** The tasks of the main thread while `work` is done in a page, as {@link traceTasks} counts them. */
export async function tasksOf(browser: Browser, page: Page, work: () => Promise<void>): Promise<number[]> {
  await browser.startTracing(page, { categories: ['devtools.timeline', 'disabled-by-default-devtools.timeline'] })
  await work()
  // The task that told of it has an end of its own.
  await page.evaluate('new Promise((resolve) => setTimeout(resolve))')
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] }
  const threads = traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
  const ofMain = ({ pid, tid }: TraceEvent): boolean => threads.some((main) => main.pid === pid && main.tid === tid)
  const tasks = traceEvents.filter((event) => event.name === 'RunTask' && ofMain(event))
  return tasks.map(({ tdur = 0 }) => tdur / 1000)
}

/** An event of Chromium's: `tdur` is its processor time in microseconds. */
interface TraceEvent {
  name: string
  pid: number
  tid: number
  args: { name?: string }
  tdur?: number
}

/** Tests that need Chromium: skipped where it is absent, failed there under CI. */
export function withChromium(tests: () => void): void {
  const missing = chromium.missing()
  if (missing === undefined) tests()
  else if (process.env.CI) {
    test('Chromium is there', () => {
      throw new Error(missing)
    })
  } else test.skip(`Chromium: ${missing}`)
}
