/** Firefox from the system's packages, driven by puppeteer-core (installed in this folder). */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CASE_TIMEOUT, type Driver, inPages, PAGE, withinTime } from './driver.ts'
import { residentBytes } from './process.ts'

const PATH = process.env.CRIA_FIREFOX ?? '/usr/bin/firefox-esr'
const PUPPETEER = new URL('./node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js', import.meta.url)

/**
 * SIGRTMIN + 1: Firefox frees what it can in all its processes, then writes a report of its memory.
 * Source: Firefox, xpcom/base/nsMemoryInfoDumper.cpp.
 */
const MINIMIZE = 35

/** The parts of puppeteer-core that are used: it may not be installed where types are checked. */
interface Puppeteer {
  launch(options: {
    browser: 'firefox'
    executablePath: string
    headless: true
    env: NodeJS.ProcessEnv
    args: readonly string[]
    protocolTimeout: number
  }): Promise<Browser>
}
interface Browser {
  version(): Promise<string>
  newPage(): Promise<Page>
  process(): { pid: number }
  close(): Promise<void>
}
interface Page {
  goto(url: string): Promise<unknown>
  evaluate<T>(run: string): Promise<T>
  close(): Promise<void>
}

export const firefox: Driver = {
  name: 'Firefox',
  missing() {
    if (!existsSync(PATH)) return `${PATH} is absent: apt-get install firefox-esr, or set CRIA_FIREFOX`
    return existsSync(PUPPETEER) ? undefined : 'puppeteer-core is absent: npm ci --prefix tests/runtimes'
  },
  async start({ url, page: path = PAGE, args = [], timeout = CASE_TIMEOUT }) {
    const temporary = mkdtempSync(join(tmpdir(), 'cria-firefox-'))
    const { launch } = (await import(fileURLToPath(PUPPETEER))) as Puppeteer
    const browser = await launch({
      browser: 'firefox',
      executablePath: PATH,
      headless: true,
      // Its reports go there.
      env: { ...process.env, TMPDIR: temporary },
      args,
      protocolTimeout: timeout,
    })
    return {
      version: (await browser.version()).replace(/^\D+/, ''),
      ...inPages(() => browser.newPage(), url + path, timeout),
      // Of the processes with pages: the first one keeps a record of what the remote control sees.
      memory: () => residentBytes(browser.process().pid, /-contentproc/),
      async collect() {
        const reports = () => readdirSync(temporary).filter((name) => name.endsWith('.json.gz')).length
        const before = reports()
        process.kill(browser.process().pid, MINIMIZE)
        const minimized = async () => {
          while (reports() === before) await new Promise((resolve) => setTimeout(resolve, 100))
        }
        await withinTime(timeout, minimized(), 'Cleaning up')
      },
      async close() {
        await browser.close()
        rmSync(temporary, { recursive: true, force: true })
      },
    }
  },
}
