/** Node: each case in a process of its own. */
import { spawn } from 'node:child_process'
import { CASE_TIMEOUT, type Driver } from './driver.ts'

/** A driver for the Node at a path. */
export function nodeDriver(path: string): Driver {
  return {
    name: 'Node',
    missing: () => undefined,
    async start({ args = [], timeout = CASE_TIMEOUT }) {
      return {
        version: (await run(path, ['--version'], '', timeout)).trim().slice(1),
        run: async (name, argument) => {
          const stdout = await run(
            path,
            [...args, 'tests/conformance/run.mjs', name],
            JSON.stringify(argument),
            timeout,
          )
          return JSON.parse(stdout)
        },
        close: async () => {},
      }
    },
  }
}

function run(path: string, args: readonly string[], input: string, timeout: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout, killSignal: 'SIGKILL' })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout)
      else reject(new Error(`${path} ended with ${signal ?? `code ${code}`}\n${stderr}`))
    })
    // It may end without having read it.
    child.stdin.once('error', () => {})
    child.stdin.end(input)
  })
}
