/** `cria pull`, `cria models`, `--cache`: a home, a server and a hub of their own. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cria, type Outcome, withFolder } from '../cli-helpers.ts'
import { MODEL, MODEL_SHA256, OTHER, withFileServer, withHub } from '../store-helpers.ts'

const TELL = ['-p', 'Once', '-n', '5', '--temp', '0']
const CLEAN = { LLAMA_CACHE: '', HF_HUB_CACHE: '', HUGGINGFACE_HUB_CACHE: '', HF_ENDPOINT: '', MODEL_ENDPOINT: '' }

type Run = (args: readonly string[], env?: Record<string, string>) => Promise<Outcome>

function inHome(work: (run: Run, folder: string) => Promise<void>): Promise<void> {
  return withFolder((folder) =>
    work((args, env) => cria(args, { env: { ...CLEAN, HF_HOME: join(folder, 'home'), ...env } }), folder),
  )
}

test('a model is pulled, listed, run without a request, checked, exported and deleted', () =>
  inHome((run, folder) =>
    withFileServer(async (server) => {
      const { url } = server
      assert.equal(await run(['models']), {
        code: 0,
        stdout: '',
        stderr: 'There are no models; cria pull downloads one.\n',
      })
      const pulled = await run(['pull', url])
      assert.equal([pulled.code, pulled.stderr], [0, ''])
      assert.ok(readFileSync(pulled.stdout.trimEnd()).equals(MODEL))
      assert.equal(await run(['models']), { code: 0, stdout: `  ${url}  523.4 KiB\n`, stderr: '' })
      const { files } = JSON.parse((await run(['models', 'list', '--json'])).stdout)
      assert.equal([files[0].input, files[0].sha256, files[0].complete], [url, MODEL_SHA256, true])
      server.requests.length = 0
      assert.equal(await run([...TELL, '--cache', '-m', url]), await run(TELL))
      assert.is(server.requests.length, 0)
      assert.equal(await run(['models', 'verify']), { code: 0, stdout: `  ${url}  ok\n`, stderr: '' })
      const file = join(folder, 'out.gguf')
      assert.is((await run(['models', 'export', url, file])).code, 0)
      assert.ok(readFileSync(file).equals(MODEL))
      assert.match((await run(['models', 'export', url, file])).stderr, /FILE_EXISTS/)
      assert.is((await run(['models', 'export', url, file, '--force'])).code, 0)
      assert.equal(await run(['models', 'delete', url]), { code: 0, stdout: '', stderr: '523.4 KiB freed\n' })
      assert.equal(await run(['models', 'prune']), { code: 0, stdout: '', stderr: '0 B freed\n' })
    }),
  ))

test('pull asks whether the file has changed, and --cache keeps what it loads', () =>
  inHome((run) =>
    withFileServer(async (server) => {
      assert.equal(await run([...TELL, '--cache', '-m', server.url]), await run(TELL))
      server.behaviour = { data: OTHER }
      const { stdout } = await run(['pull', server.url])
      assert.ok(readFileSync(stdout.trimEnd()).equals(OTHER))
    }),
  ))

test('a model of the hub is chosen, and then read offline by --hf-repo', () =>
  inHome((run) =>
    withHub({ 'm-F16.gguf': OTHER, 'm-Q4_K_M.gguf': MODEL }, async (hub) => {
      hub.token = 'hf_secret'
      const env = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: 'hf_secret' }
      const { stdout } = await run(['pull', 'hf:o/r'], env)
      assert.match(stdout, /models--o--r\/snapshots\/\w+\/m-Q4_K_M\.gguf\n$/)
      hub.requests.length = 0
      const told = await run(TELL)
      assert.equal(await run([...TELL, '-hf', 'o/r', '--offline'], env), told)
      assert.equal(await run([...TELL, '--cache', '-m', 'hf:o/r/m-Q4_K_M.gguf'], env), told)
      assert.is(hub.requests.length, 0)
      assert.equal(await run([...TELL, '--cache', '-hf', 'o/r:Q4_K_M'], env), told)
      assert.ok(hub.requests.every(({ url }) => url!.startsWith('/api/')))
    }),
  ))

test('wrong usage and what is not there', () =>
  inHome(async (run) => {
    const wrong: [args: string[], code: number, message: RegExp][] = [
      [['pull'], 2, /at least one INPUT/],
      [['pull', 'm.gguf'], 1, /INPUT_STORE/],
      [['pull', 'a', 'b', '--sha256', MODEL_SHA256], 2, /for one INPUT/],
      [['models', 'remove'], 2, /takes list, delete, .*, not remove/],
      [['models', 'delete'], 2, /takes INPUT, not 0/],
      [['models', 'list', 'x'], 2, /takes nothing, not 1/],
      [['models', 'prune', '--json'], 2, /--json is not for models prune/],
      [['models', '--force'], 2, /--force is not for models list/],
      [['models', 'verify', 'https://x.example/m.gguf'], 1, /STORE_ABSENT/],
      [['models', 'export', 'https://x.example/m.gguf', 'm.gguf'], 1, /STORE_ABSENT/],
    ]
    for (const [args, code, message] of wrong) {
      const outcome = await run(args)
      assert.equal([outcome.code, outcome.stdout], [code, ''], args.join(' '))
      assert.match(outcome.stderr, message)
    }
  }))

test.run()
