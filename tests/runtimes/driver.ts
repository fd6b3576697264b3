/**
 * What drives a runtime: a driver is a module that exports a {@link Driver}. It runs the cases of
 * tests/conformance/cases.mjs, the same everywhere; what they take and give is plain data.
 */
import { start } from './process.ts'

export interface Driver {
  readonly name: string
  /** Whether the runtime reads files; models come over HTTP where it does not. */
  readonly files?: boolean
  /** Whether it is so slow, or so like another, that stories260K is enough. */
  readonly brief?: boolean
  /** Whether it is emulated: logits are computed in a few ways instead of all. */
  readonly emulated?: boolean
  /** Why it cannot run on this machine and what would change that, or undefined. */
  missing(): string | undefined
  start(options: StartOptions): Promise<Runtime>
}

export interface StartOptions {
  /** Of the server in examples/browser: its files are the repository's, with a slash at the end. */
  url: string
  /** The page to run the cases in, where there are pages; default {@link PAGE}. */
  page?: string
  /** Flags for the runtime. */
  args?: readonly string[]
  /** Milliseconds after which a case is taken to hang; default {@link CASE_TIMEOUT}. */
  timeout?: number
}

export interface Session {
  /** Runs a case; rejects with what it throws. */
  run<T>(name: string, argument: unknown): Promise<T>
  close(): Promise<void>
}

/** Runs each case in a fresh page or process. */
export interface Runtime extends Session {
  readonly version: string
  /** A page for several cases, where there are pages or the like. */
  open?(): Promise<Session>
  /** Bytes of memory that the runtime takes, where it cannot tell itself. */
  memory?(): number
  /** Has the runtime clean up, where that can be asked for from outside. */
  collect?(): Promise<void>
}

export const CASE_TIMEOUT = 30_000
export const PAGE = 'tests/conformance/page.html'

/** A runtime that runs cases in pages: {@link Runtime.run} opens one for each. */
export function ofPages(open: () => Promise<Session>): Pick<Runtime, 'run' | 'open'> {
  return {
    open,
    async run<T>(name: string, argument: unknown): Promise<T> {
      const page = await open()
      const result = await page.run<T>(name, argument).catch(async (error) => {
        // A page that failed may fail to close, too: what it failed with first is the reason.
        await page.close().catch((late) => console.warn(`${name} failed, then closing its page: ${late}`))
        throw error
      })
      await page.close()
      return result
    },
  }
}

/** A browser's page, as playwright-core and puppeteer-core have it. */
interface BrowserPage {
  goto(url: string): Promise<unknown>
  evaluate<T>(run: string): Promise<T>
  close(): Promise<void>
}

/** Runs cases in pages of a browser at one address. */
export function inPages(
  newPage: () => Promise<BrowserPage>,
  address: string,
  timeout: number,
): ReturnType<typeof ofPages> {
  return ofPages(async () => {
    const page = await newPage()
    await page.goto(address)
    return {
      run: <T>(name: string, argument: unknown) => withinTime(timeout, page.evaluate<T>(call(name, argument)), name),
      close: () => page.close(),
    }
  })
}

/** What a page evaluates to run a case. */
export function call(name: string, argument: unknown): string {
  return `cases.then((cases) => cases[${JSON.stringify(name)}](${JSON.stringify(argument)}))`
}

export async function withinTime<T>(timeout: number, work: Promise<T>, name: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not end within ${timeout} ms`)), timeout)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

export interface Server {
  url: string
  close(): void
}

/** Starts examples/browser/serve.mjs in a process of its own, on a free port. */
export async function startServer(args: readonly string[] = []): Promise<Server> {
  const server = start(process.execPath, ['examples/browser/serve.mjs', '--port', '0', ...args])
  const [url] = await server.said(/http:\S+/)
  return { url, close: () => void server.end() }
}
