/** `POST /slots/{id}`: what a slot computed is kept, put back and forgotten. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ArgumentError, load } from 'cria'
import { createHandler, type SlotStore } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'
import { cria } from '../cli-helpers.ts'
import { type Answer, ask, first, get, post, serve } from './helpers.ts'

const model = await load(STORIES, { threads: 1, parallel: 2, onWarning: () => {} })
test.after(() => model.close())

const files = new Map<string, Uint8Array>()
const slotStore: SlotStore = {
  save: async (name, state) => void files.set(name, state),
  load: async (name) => files.get(name),
}
const handler = createHandler({ stories: model }, { slotStore })
const FRANCE = { prompt: 'What is the capital of France?', temperature: 0, max_tokens: 64, ignore_eos: true }
const act = (id: number | string, action: string, body: object = {}): Promise<Answer> =>
  ask(handler, post(`/slots/${id}?action=${action}`, body))
const read = async (path: string, body: object): Promise<number> =>
  (await ask(handler, post(path, body))).body.timings.prompt_n

test('a slot is kept, and put back into another where prompts find it', async () => {
  const tokens = model.tokenize(FRANCE.prompt).length
  assert.is(await read('/completion', { ...FRANCE, id_slot: 1 }), tokens)
  const saved = await act(1, 'save', { filename: 'slot1.bin' })
  const { n_written: written, timings, ...rest } = saved.body
  assert.equal(rest, { id_slot: 1, filename: 'slot1.bin', n_saved: tokens + 63 })
  assert.is(written, files.get('slot1.bin')!.length)
  assert.ok(timings.save_ms > 0)
  await model.reset()
  const restored = await act(0, 'restore', { filename: 'slot1.bin' })
  assert.equal([restored.body.n_restored, restored.body.n_read, restored.body.id_slot], [tokens + 63, written, 0])
  assert.is(await read('/completion', FRANCE), 1)
  // What was put back is the slot's.
  assert.is((await act(0, 'save', { filename: 'again' })).body.n_saved, tokens + 63)
})

test('chats and completions are kept as they were read', async () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  for (const [path, body] of [
    ['/v1/chat/completions', { messages }],
    ['/v1/completions', { prompt: ['Once', 'Then there'], n: 2 }],
  ] as const) {
    await model.reset()
    const { usage } = (await ask(handler, post(path, { ...body, max_tokens: 3, ignore_eos: true, seed: 1 }))).body
    assert.ok(usage.completion_tokens >= 3)
    const { n_saved: count } = (await act(0, 'save', { filename: 'x' })).body
    await model.reset()
    assert.is((await act(1, 'restore', { filename: 'x' })).body.n_restored, count)
    if (path === '/v1/chat/completions') assert.is(count, usage.prompt_tokens + 2)
  }
})

test('an erased slot is read anew', async () => {
  await model.reset()
  const whole = await read('/completion', { ...FRANCE, id_slot: 0 })
  assert.is(await read('/completion', { ...FRANCE, id_slot: 0 }), 1)
  const erased = await handler(new Request('http://localhost/slots/0?action=erase', { method: 'POST' }))
  assert.equal(await erased.json(), { id_slot: 0, n_erased: whole + 63 })
  assert.is(await read('/completion', { ...FRANCE, id_slot: 0 }), whole)
})

test('what is wrong is told by name', async () => {
  await model.reset()
  files.set('damaged', new Uint8Array(100))
  await act(1, 'erase')
  for (const [id, action, body, param] of [
    [2, 'save', { filename: 'x' }, 'id'],
    ['x', 'save', { filename: 'x' }, 'id'],
    [1, 'save', { filename: 'x' }, 'id'],
    [0, 'keep', { filename: 'x' }, 'action'],
    [0, 'save', {}, 'filename'],
    [0, 'save', { filename: '../x' }, 'filename'],
    [0, 'save', { filename: '.' }, 'filename'],
    [0, 'save', { filename: 'é'.repeat(200) }, 'filename'],
    [0, 'save', { filename: 'x', more: 1 }, 'more'],
    [0, 'restore', { filename: 'none' }, 'filename'],
    [0, 'restore', { filename: 'damaged' }, 'filename'],
  ] as const) {
    const { status, body: answer } = await act(id, action, body)
    assert.equal([status, answer.error.param], [400, param], `${id} ${action} ${JSON.stringify(body)}`)
  }
  const none = await ask(createHandler(model), post('/slots/0?action=erase', {}))
  assert.equal([none.status, none.body.error.type], [501, 'not_supported_error'])
  assert.match(none.body.error.message, '--slot-save-path')
  for (const wrong of [5, {}, { save: slotStore.save }]) {
    await fails(() => createHandler(model, { slotStore: wrong } as never), ArgumentError, 'INVALID_OPTION')
  }
})

test('a slot that computes is not touched', async () => {
  const controller = new AbortController()
  const body = { ...FRANCE, max_tokens: 400, stream: true, id_slot: 0 }
  const reader = await first(await handler(post('/completion', body, { signal: controller.signal })))
  const { status, headers, body: answer } = await act(0, 'erase')
  assert.equal([status, answer.error.code, headers.get('retry-after')], [503, 'slot_busy', '1'])
  controller.abort()
  await reader.cancel().catch(() => {})
  while ((await ask(handler, get('/slots'))).body[0].is_processing)
    await new Promise((resolve) => setImmediate(resolve))
  assert.is((await act(0, 'erase')).status, 200)
})

test('cria serve keeps slots in files, which another server finds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cria-'))
  try {
    const asked = async (url: string, path: string, body: object): Promise<Answer['body']> =>
      (await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) })).json()
    const one = await serve('--slot-save-path', folder)
    await asked(one.url, '/completion', FRANCE)
    const { n_saved: count } = await asked(one.url, '/slots/0?action=save', { filename: 'france.bin' })
    one.child.kill('SIGTERM')
    assert.is(await one.ended, 0)
    assert.equal(readdirSync(folder), ['france.bin'])
    const other = await serve('--slot-save-path', folder)
    assert.is((await asked(other.url, '/slots/0?action=restore', { filename: 'france.bin' })).n_restored, count)
    assert.is((await asked(other.url, '/completion', FRANCE)).timings.prompt_n, 1)
    // What the disk says is for the log.
    rmSync(folder, { recursive: true })
    const { error } = await asked(other.url, '/slots/0?action=save', { filename: 'x' })
    assert.equal([error.code, error.message.includes(folder)], ['internal_error', false])
    assert.match(other.stderr(), folder)
    other.child.kill('SIGTERM')
    assert.is(await other.ended, 0)
    const { code, stderr } = await cria(['serve', '--slot-save-path', folder])
    assert.is(code, 2)
    assert.match(stderr, '--slot-save-path takes a folder')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
