/** The reader's settings. */
import { useState } from 'preact/hooks'
import { change, current, dialog, settings, update } from '../session.ts'
import { NUMBER_FIELDS, type NumberField, readNumber } from '../settings.ts'
import { Modal } from './modal.tsx'

export function SettingsDialog() {
  const { reasoning, alternatives, theme, system } = settings.value
  const conversation = current.value
  return (
    <Modal title="Settings" onClose={() => (dialog.value = undefined)}>
      <label class="field" for="system">
        System prompt of this conversation
      </label>
      <textarea
        id="system"
        rows={3}
        placeholder="You answer in one sentence."
        value={conversation.system}
        onChange={({ currentTarget }) => update({ ...current.value, system: currentTarget.value })}
      />
      <button
        type="button"
        disabled={conversation.system === system}
        onClick={() => change({ system: conversation.system })}
      >
        Use it for new conversations too
      </button>
      <fieldset class="numbers">
        <legend>Answers</legend>
        {NUMBER_FIELDS.map((field) => (
          <Field key={field.key} field={field} />
        ))}
      </fieldset>
      <div class="selects">
        <Select
          id="reasoning"
          label="Thinking before an answer"
          value={reasoning}
          options={{ auto: 'As the model likes', on: 'Always', off: 'Never' }}
          onChange={(value) => change({ reasoning: value })}
        />
        <Select
          id="theme"
          label="Colours"
          value={theme}
          options={{ auto: 'As the device has them', light: 'Light', dark: 'Dark' }}
          onChange={(value) => change({ theme: value })}
        />
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={alternatives}
          onChange={({ currentTarget }) => change({ alternatives: currentTarget.checked })}
        />
        Keep what else each token could have been
      </label>
    </Modal>
  )
}

function Field({ field }: { field: NumberField }) {
  const { key, label, help, absent, step } = field
  const [problem, setProblem] = useState<string>()
  return (
    <div class="number">
      <label for={`field-${key}`}>{label}</label>
      <input
        id={`field-${key}`}
        inputMode={step === 1 ? 'numeric' : 'decimal'}
        autocomplete="off"
        placeholder={absent}
        value={settings.value[key] ?? ''}
        aria-describedby={`help-${key}`}
        aria-invalid={problem !== undefined}
        onChange={({ currentTarget }) => {
          const read = readNumber(field, currentTarget.value)
          setProblem(read.problem)
          if (!read.problem) change({ [key]: read.value })
        }}
      />
      <p id={`help-${key}`} class={problem ? 'problem' : 'quiet'}>
        {problem ?? help}
      </p>
    </div>
  )
}

function Select<T extends string>(props: {
  id: string
  label: string
  value: T
  options: Readonly<Record<T, string>>
  onChange: (value: T) => void
}) {
  const { id, label, value, options, onChange } = props
  return (
    <div class="select">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={({ currentTarget }) => onChange(currentTarget.value as T)}>
        {(Object.entries(options) as [T, string][]).map(([key, name]) => (
          <option key={key} value={key}>
            {name}
          </option>
        ))}
      </select>
    </div>
  )
}
