/** Processes that download, each killed at a random moment: whatever is there after it is right, and the next goes on. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { nodeFolder } from '../js/platform/store-node.ts'
import { ModelStore } from '../js/store/store.ts'
import { numbers } from './soak/random.ts'
import { type FileServer, MODEL, withHub, withTemporary } from './store-helpers.ts'

/** Downloads and says how many bytes have landed, a line each; `done` with the path at the end. */
const CHILD = `
import { models } from 'cria/store'
const onProgress = ({ done }) => process.stdout.write(done + '\\n')
const { input } = await models.get(process.argv[1], { retries: 0, onProgress })
process.stdout.write('done ' + input + '\\n')`

export interface Kills {
  kills: number
  /** Downloads that came to their end between them. */
  finished: number
  /** Processes that went on where a killed one had been. */
  resumed: number
}

export async function killAtRandom(count: number, seed: number): Promise<Kills> {
  const random = numbers(seed)
  const outcome: Kills = { kills: 0, finished: 0, resumed: 0 }
  await withHub({ 'm-Q4_K_M.gguf': MODEL }, (hub) =>
    withTemporary(async (home) => {
      hub.bytes.behaviour = { piece: 16_384 }
      const env = { HF_HOME: home, HF_ENDPOINT: hub.endpoint, PATH: process.env.PATH ?? '' }
      const place = { own: nodeFolder(join(home, 'cria')), hub: nodeFolder(join(home, 'hub')) }
      const variable = (name: string): string | undefined => (name === 'HF_ENDPOINT' ? hub.endpoint : undefined)
      const store = new ModelStore({ ...place, variable, reserve: async () => {} })
      const inputs = ['hf:o/r/m-Q4_K_M.gguf', hub.bytes.url]
      while (outcome.kills < count) {
        const input = inputs[random(2)]!
        const before = (await store.list()).find((file) => file.input === input)
        hub.bytes.requests.length = 0
        const from = before?.landed ?? 0
        // Somewhat beyond the end: what follows the last byte takes time too. Half of those that come to it may end.
        const at = from + random(Math.ceil((MODEL.length - from) * 1.2))
        const path = await runUntil(input, env, from === MODEL.length && random(2) ? Infinity : at, random(15))
        if (before && !before.complete && before.landed > 0) outcome.resumed += checkResumed(hub.bytes, before.landed)
        // Nothing has a model's name that is not that model.
        for (const { input: one, ok } of await store.verify()) assert.is(ok, true, `${one} is damaged`)
        if (path === undefined) outcome.kills++
        else {
          assert.ok(readFileSync(path).equals(MODEL))
          outcome.finished++
          await store.delete(input)
        }
      }
      for (const input of inputs) {
        const path = (await runUntil(input, env, Infinity, 0))!
        assert.ok(readFileSync(path).equals(MODEL))
      }
      assert.is(await store.prune(), 0)
    }),
  )
  return outcome
}

/** Where a download went on, if it asked for anything. */
function checkResumed({ requests }: FileServer, landed: number): number {
  const ranges = requests.map(({ headers }) => headers.range)
  if (landed === MODEL.length || ranges.length === 0) return 0
  assert.equal(ranges, [`bytes=${landed}-`])
  return 1
}

/** Kills a process a little after so many bytes have landed, or returns the path that it gave. */
function runUntil(
  input: string,
  env: Record<string, string>,
  bytes: number,
  delay: number,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD, input], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    let wrong = ''
    let killing = false
    const end = (): void => {
      if (killing) return
      killing = true
      setTimeout(() => child.kill('SIGKILL'), delay)
    }
    child.stderr.setEncoding('utf8').on('data', (text) => {
      wrong += text
    })
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text
      const landed = Math.max(...said.split('\n').map((line) => Number(line) || 0))
      // Beyond the end is a while after it.
      if (landed >= Math.min(bytes, bytes === Infinity ? Infinity : MODEL.length)) end()
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const path = /^done (.*)$/m.exec(said)?.[1]
      if (path !== undefined || signal === 'SIGKILL') resolve(path)
      else reject(new Error(`${input} ended with ${code}: ${wrong}`))
    })
  })
}
