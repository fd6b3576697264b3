/**
 * Every field that llama-server reads of a request (tests/llama-names.ts) is taken, accepted as one without effect, or refused by its name:
 * none is passed over.
 */
import { load, type Model } from 'cria'
import { createHandler, type Handler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ENDPOINTS } from '../../js/server/schemas.ts'
import { STORIES } from '../api-helpers.ts'
import { LLAMA } from '../llama-names.ts'
import { post } from './helpers.ts'

let model: Model
let handle: Handler

test.before(async () => {
  model = await load(STORIES, { threads: 1 })
  handle = createHandler(model)
})
test.after(() => model.close())

/** Of any field one of these is of the wrong kind, or means something. */
const VALUES: unknown[] = [7, true, 'x', ['x'], { x: 1 }]

interface Refusal {
  error: { param: string | null; message: string }
}

/** Whether the field is refused by its name with one of the values at least. */
async function refused(path: string, body: object, field: string): Promise<boolean> {
  for (const value of VALUES) {
    const response = await handle(post(path, { ...body, [field]: value }))
    const answer = await response.text()
    if (response.status !== 400) continue
    const { error } = JSON.parse(answer) as Refusal
    if (error.param?.startsWith(field) || error.message.includes(field)) return true
  }
  return false
}

const messages = [{ role: 'user', content: 'Hi' }]
const CASES = {
  completions: { body: { prompt: 'Once', max_tokens: 1 }, fields: LLAMA.fields.completion },
  chat: { body: { messages, max_tokens: 1 }, fields: [...LLAMA.fields.completion, ...LLAMA.fields.chat] },
}

for (const [name, { body, fields }] of Object.entries(CASES)) {
  test(`${name}: every field`, async () => {
    const { path, takes, idle } = ENDPOINTS[name as keyof typeof CASES]
    const passed: string[] = []
    for (const field of new Set(fields)) {
      const known = field in takes || field in idle
      if (!known && !(await refused(path, body, field))) passed.push(field)
    }
    assert.equal(passed, [])
    assert.ok(fields.length > 60)
  })
}

test.run()
