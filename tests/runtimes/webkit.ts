/** WebKitGTK's MiniBrowser from the system's packages, driven over WebDriver, on a display of Xvfb. */
import { existsSync } from 'node:fs'
import { CASE_TIMEOUT, call, type Driver, ofPages, PAGE, withinTime } from './driver.ts'
import { residentBytes, start } from './process.ts'

const DRIVER = '/usr/bin/WebKitWebDriver'
const BROWSER = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser'
const XVFB = '/usr/bin/Xvfb'

export const webkit: Driver = {
  name: 'WebKit',
  missing() {
    for (const [path, name] of [
      [DRIVER, 'webkit2gtk-driver'],
      [BROWSER, 'webkit2gtk-driver'],
      [XVFB, 'xvfb'],
    ] as const) {
      if (!existsSync(path)) return `${path} is absent: apt-get install ${name}`
    }
    return undefined
  },
  async start({ url, page: path = PAGE, args = [], timeout = CASE_TIMEOUT }) {
    // Xvfb writes the number of a free display to a descriptor.
    const display = start(XVFB, ['-displayfd', '1', '-screen', '0', '800x600x24', '-nolisten', 'tcp'])
    const [number] = await display.said(/\d+/)
    let browser = await launch(number, args, timeout)
    let ended = false
    return {
      version: browser.version,
      ...ofPages(async () => {
        if (ended) {
          await browser.close()
          browser = await launch(number, args, timeout)
          ended = false
        }
        const { window } = browser
        await window.send('POST', 'url', { url: url + path })
        return {
          run: <T>(name: string, argument: unknown) =>
            withinTime(timeout, window.evaluate<T>(call(name, argument)), name),
          // The browser's own process, not the page's, dies now and then while it leaves a page, whose case has ended.
          close: async () => {
            await window.send('POST', 'url', { url: 'about:blank' }).catch((error) => {
              if (!/: (unknown error|invalid session id): /.test(String(error))) throw error
              console.warn(`WebKit ended as it left a page, another is started: ${error}`)
              ended = true
            })
          },
        }
      }),
      memory: () => residentBytes(browser.pid, /WebKitWebProcess/),
      async close() {
        await browser.close()
        await display.end()
      },
    }
  },
}

/** A browser with one window, and the driver that it is a child of. */
async function launch(display: string, args: readonly string[], timeout: number) {
  // WebKitWebDriver needs a port from outside.
  const port = await freePort()
  // Memory is shared only where this says so.
  const env = { DISPLAY: `:${display}`, JSC_useSharedArrayBuffer: '1', WEBKIT_DISABLE_COMPOSITING_MODE: '1' }
  const driver = start(DRIVER, [`--port=${port}`], env)
  const window = new WebDriver(`http://127.0.0.1:${port}`)
  const version = await window.begin(['--automation', ...args], timeout)
  return {
    version,
    window,
    pid: driver.pid,
    async close() {
      // A page that hangs lets the browser hang.
      await window.end().catch(() => {})
      await driver.end()
    },
  }
}

/** A client of WebDriver, https://www.w3.org/TR/webdriver2/, with one session and window. */
class WebDriver {
  #session = ''
  #timeout = CASE_TIMEOUT
  constructor(private readonly url: string) {}

  /** Starts the browser, as soon as the driver answers; resolves to its version. */
  async begin(args: readonly string[], timeout: number): Promise<string> {
    const options = { binary: BROWSER, args }
    const body = { capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': options } } }
    const { sessionId, capabilities } = await this.#retry(() =>
      request<{ sessionId: string; capabilities: { browserVersion: string } }>('POST', `${this.url}/session`, body),
    )
    this.#session = `${this.url}/session/${sessionId}`
    this.#timeout = timeout
    await this.send('POST', 'timeouts', { script: timeout })
    return capabilities.browserVersion
  }

  send<T>(method: string, command: string, body?: unknown): Promise<T> {
    return request(method, `${this.#session}/${command}`, body, this.#timeout)
  }

  async evaluate<T>(code: string): Promise<T> {
    const script = `const done = arguments[0]; ${code}.then((value) => done({ value }), (error) => done({ error: String(error) }))`
    const result = await this.send<{ value: T; error?: string }>('POST', 'execute/async', { script, args: [] })
    if (result.error !== undefined) throw new Error(result.error)
    return result.value
  }

  async end(): Promise<void> {
    await request('DELETE', this.#session, undefined, 5000)
  }

  async #retry<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (attempt === 50 || (error as { cause?: { code?: string } }).cause?.code !== 'ECONNREFUSED') throw error
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }
}

async function request<T>(method: string, url: string, body?: unknown, timeout = CASE_TIMEOUT): Promise<T> {
  const signal = AbortSignal.timeout(timeout)
  const response = await fetch(url, { method, signal, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const { value } = (await response.json()) as { value: T & { error?: string; message?: string } }
  if (!response.ok) throw new Error(`${method} ${url}: ${value.error}: ${value.message}`)
  return value
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  await new Promise((resolve) => server.close(resolve))
  return port
}
