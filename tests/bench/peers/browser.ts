/** Peers in Chromium: cria and wllama in a page of their own each time, the model from a server on this machine. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from '../../runtimes/chromium.ts'
import { startServer } from '../../runtimes/driver.ts'
import type { Measured, Request } from './page.ts'

/** What page.ts exports. */
type InPage = 'cria' | 'wllama2' | 'wllama3'

/** Milliseconds for one load and its tests. */
const TIMEOUT = 3_600_000

export interface BrowserPeers {
  version: string
  run(peer: InPage, request: Omit<Request, 'model'>): Promise<Measured>
  close(): Promise<void>
}

/** Why a peer cannot be measured here, or undefined. */
export function missingInBrowser(peer: InPage): string | undefined {
  const missing = chromium.missing()
  if (missing !== undefined || peer === 'cria') return missing
  const path = fileURLToPath(new URL(`./node_modules/${peer}`, import.meta.url))
  return existsSync(path) ? undefined : `${path} is absent: npm ci --prefix tests/bench/peers`
}

export async function openBrowserPeers(model: string): Promise<BrowserPeers> {
  await build({
    entryPoints: ['tests/bench/peers/page.ts'],
    outfile: 'build/peers/page.js',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  })
  const server = await startServer(['--file', `/model.gguf=${model}`])
  const page = 'tests/bench/peers/page.html'
  const runtime = await chromium.start({ url: server.url, page, timeout: TIMEOUT })
  return {
    version: runtime.version,
    run: (peer, request) => runtime.run(peer, { ...request, model: `${server.url}model.gguf` }),
    close: async () => {
      await runtime.close()
      server.close()
    },
  }
}
