/** `POST /slots/{id}?action=…`: what a slot computed last, kept under a name, put back and forgotten, as llama-server does it. */
import { ApiError, badRequest, RETRY_AFTER } from './errors.ts'
import type { NamedModel } from './models.ts'
import { MODEL_PARAMETER } from './reads.ts'
import { type FieldRule, fields, rule } from './rules.ts'
import type { SlotStore } from './types.ts'

const ACTIONS = ['save', 'restore', 'erase'] as const

/** A name within one folder, on any system. */
const NAME = /^(?![ .])[ !#-)+-.0-9;=@-[\]-{}~\u00a0-\uffff]{1,255}(?<![ .])$/

const filename: FieldRule<string> = rule(
  'the name of a file, without a folder',
  (x) => typeof x === 'string' && NAME.test(x) && new TextEncoder().encode(x).length <= 255,
  { type: 'string', pattern: NAME.source, maxLength: 255 },
)

export const SLOT_ACTIONS = {
  path: '/slots/{id}',
  title:
    'Keeps what a slot computed last in a file, puts it back, or forgets it, where the server has `--slot-save-path`.',
  parameters: {
    id: { description: 'The number of the slot', required: true, schema: { type: 'integer', minimum: 0 } },
    action: { description: 'What to do', required: true, schema: { enum: ACTIONS } },
    model: { description: MODEL_PARAMETER, schema: { type: 'string' } },
  },
  body: fields<{ filename?: string }>('a JSON object', { filename }),
}

/**
 * @throws ApiError 501 without a store, 400 for what is no slot or action and for a file that is none or another model's, 503
 *   for a slot that is computing
 */
export async function actOnSlot(
  { model, slots }: NamedModel,
  store: SlotStore | undefined,
  { id, action, filename, signal }: { id: string; action?: string; filename?: string; signal: AbortSignal },
): Promise<object> {
  if (!store) {
    throw new ApiError(501, 'slots_not_saved', 'This server keeps no slots: give it a folder with --slot-save-path.')
  }
  const slot = /^\d+$/.test(id) ? Number(id) : -1
  if (slot < 0 || slot >= slots.count) throw badRequest('id', `id: there are slots 0 to ${slots.count - 1}.`, id)
  if (slots.isBusy(slot)) {
    throw new ApiError(503, 'slot_busy', `Slot ${slot} is computing; try again later.`, null, slot, RETRY_AFTER)
  }
  if (action === 'erase') {
    const ids = slots.text(slot) ?? []
    if (ids.length > 0) await model.reset(ids)
    slots.hold(slot, undefined)
    return { id_slot: slot, n_erased: ids.length }
  }
  if (action !== 'save' && action !== 'restore') {
    throw badRequest('action', `action must be ${ACTIONS.join(' or ')}.`, action)
  }
  if (filename === undefined) {
    throw badRequest('filename', 'filename is missing.', undefined, 'missing_required_parameter')
  }
  const start = performance.now()
  if (action === 'save') {
    const ids = slots.text(slot)
    if (!ids) throw badRequest('id', `Slot ${slot} has computed nothing yet.`, slot)
    const state = await model.saveState(ids, { signal })
    await store.save(filename, state)
    const timings = { save_ms: performance.now() - start }
    return { id_slot: slot, filename, n_saved: ids.length, n_written: state.length, timings }
  }
  const state = await store.load(filename)
  if (!state) throw badRequest('filename', `filename: there is no ${filename}.`, filename)
  const { ids } = await model.loadState(state, { signal })
  slots.hold(slot, () => ids)
  const timings = { restore_ms: performance.now() - start }
  return { id_slot: slot, filename, n_restored: ids.length, n_read: state.length, timings }
}
