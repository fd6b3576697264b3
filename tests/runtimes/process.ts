/** Processes that tests start. */
import { type SpawnOptions, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

export interface RunOptions {
  args?: readonly string[]
  env?: Record<string, string>
  /** What it reads on stdin. */
  input?: string
  /** Milliseconds after which it is taken to hang. */
  timeout: number
}

/** Runs a program until it ends by itself; resolves to its stdout, rejects where its code is not 0. */
export function run(path: string, { args = [], env = {}, input = '', timeout }: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const options: SpawnOptions = { stdio: 'pipe', env: { ...process.env, ...env }, timeout, killSignal: 'SIGKILL' }
    const child = spawn(path, args, options)
    let stdout = ''
    let stderr = ''
    child.stdout!.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr!.setEncoding('utf8').on('data', (text) => (stderr += text))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout)
      else reject(new Error(`${path} ${args.join(' ')} ended with ${signal ?? `code ${code}`}\n${stderr}`))
    })
    // It may end without having read it.
    child.stdin!.once('error', () => {})
    child.stdin!.end(input)
  })
}

/** A program that runs until it is ended. */
export interface Started {
  pid: number
  /** Resolves to the first text on stdout that matches. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  end(): Promise<void>
}

export function start(path: string, args: readonly string[], env: Record<string, string> = {}, cwd = '.'): Started {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, cwd })
  // Whatever ends this process ends that one.
  const kill = (): void => endFamily(child.pid!)
  process.once('exit', kill)
  let output = ''
  const waiting = new Set<() => void>()
  const hear = (text: string): void => {
    output += text
    for (const resolve of waiting) resolve()
    waiting.clear()
  }
  child.stdout.setEncoding('utf8').on('data', hear)
  child.stderr.setEncoding('utf8').on('data', hear)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(String(error)))
    child.once('close', (code, signal) => resolve(`it ended with ${signal ?? `code ${code}`}`))
  })
  return {
    get pid() {
      return child.pid!
    },
    async said(pattern) {
      for (;;) {
        const match = pattern.exec(output)
        if (match) return match
        const next = new Promise<undefined>((resolve) => waiting.add(() => resolve(undefined)))
        const end = await Promise.race([next, ended])
        if (end !== undefined) throw new Error(`${path} did not say ${pattern}: ${end}\n${output}`)
      }
    },
    async end() {
      process.off('exit', kill)
      endFamily(child.pid!)
      await ended
    },
  }
}

/** A process and all its descendants. */
function family(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) && readProc(`/proc/${name}/stat`)?.match(/\) \S (\d+)/)?.[1]
    if (parent) parents.set(Number(name), Number(parent))
  }
  const belongs = (pid: number | undefined): boolean => pid !== undefined && (pid === root || belongs(parents.get(pid)))
  return [...parents.keys()].filter(belongs)
}

/**
 * Bytes of memory that a process and its descendants have to themselves; what they share is counted once. `which`: only
 * those whose command line matches.
 */
export function residentBytes(root: number, which = /^/): number {
  let bytes = 0
  for (const pid of family(root)) {
    if (!which.test(readProc(`/proc/${pid}/cmdline`) ?? '')) continue
    const kibibytes = readProc(`/proc/${pid}/smaps_rollup`)?.match(/^Pss:\s+(\d+) kB/m)?.[1]
    if (kibibytes) bytes += Number(kibibytes) * 1024
  }
  return bytes
}

function endFamily(root: number): void {
  for (const pid of family(root)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Undefined for a process that has ended meanwhile. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
