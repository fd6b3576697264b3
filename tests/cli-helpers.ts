/** Runs the built command line, dist/cli.js. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const CLI = 'dist/cli.js'

if (!existsSync(CLI)) throw new Error(`${CLI} is absent: node scripts/build.mjs`)

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  /** What stdin gives; null leaves the pipe open and silent. Default: nothing. */
  input?: string | null
  env?: Record<string, string>
  onStart?: (child: ChildProcess) => void
  /** Called with all that stdout has given so far. */
  onOutput?: (child: ChildProcess, stdout: string) => void
}

/** Milliseconds that any command here may take. */
const LIMIT = 60_000

export function cria(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return command(process.execPath, [CLI, ...args], options)
}

export function command(file: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { input = '', env, onStart, onOutput } = options
  return new Promise((resolve, reject) => {
    // A token of whoever runs the tests has no part in them.
    const child = spawn(file, args, { env: { ...process.env, HF_TOKEN: '', ...env } })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${file} ${args.join(' ')} takes more than ${LIMIT} ms; stdout: ${stdout}; stderr: ${stderr}`))
    }, LIMIT)
    onStart?.(child)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
      onOutput?.(child, stdout)
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    // A command that fails at once does not read.
    child.stdin.on('error', () => {})
    if (input !== null) child.stdin.end(input)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr })
    })
  })
}

/** For `onStart`: sends the signal once a file in the folder is being written. */
export function signalWhileWriting(folder: string, signal: NodeJS.Signals): (child: ChildProcess) => void {
  return (child) => {
    const timer = setInterval(() => {
      if (!readdirSync(folder).some((name) => name.endsWith('.part'))) return
      clearInterval(timer)
      child.kill(signal)
    }, 5)
    child.once('exit', () => clearInterval(timer))
  }
}

/** Runs with a folder that is gone afterwards. */
export async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cria-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
