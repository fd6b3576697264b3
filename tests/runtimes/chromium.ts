/** Chromium from the system's packages, driven by playwright-core (installed in this folder). */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CASE_TIMEOUT, type Driver, inPages, PAGE } from './driver.ts'

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
