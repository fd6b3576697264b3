/** The models there are: what each takes, and loading one. */
import { useRef, useState } from 'preact/hooks'
import { FAMILIES } from '../families.ts'
import { bytesText, durationText, parametersText } from '../format.ts'
import { readAddress, sourceName, thisDevice, verdict } from '../models.ts'
import {
  backend,
  cancelLoad,
  candidate,
  connect,
  dialog,
  keyProblem,
  loading,
  look,
  lookAway,
  server,
  start,
  threadsNote,
} from '../session.ts'
import { Icon } from './icons.tsx'
import { Modal } from './modal.tsx'

/** Bytes of memory that a small model takes beside its weights, about: its header says it to the byte. */
const BESIDE = 0.3e9
/** What the list says of a model, before its header is read. */
const FITS = { good: '', tight: ', may be too large here', bad: ', too large here' } as const

export function Models() {
  const close = (): void => {
    lookAway()
    dialog.value = undefined
  }
  return (
    <Modal title="Models" onClose={close}>
      {loading.value ? <LoadingCard /> : candidate.value ? <CandidateCard /> : <Choice />}
    </Modal>
  )
}

function Choice() {
  return (
    <>
      {backend.value && (
        <p class="quiet">
          In use: {backend.value.name}. {backend.value.how}.
        </p>
      )}
      {threadsNote.value && (
        <p class="note">
          {threadsNote.value.text}{' '}
          {threadsNote.value.reload && (
            <button type="button" onClick={() => location.reload()}>
              Load the page again
            </button>
          )}
        </p>
      )}
      {server && <Server />}
      <div class="cards">
        <button type="button" class="card" onClick={() => void start({ kind: 'built-in' })}>
          <strong>Built-in</strong>
          <span>stories260K: tells tiny stories at once, 0.5 MB</span>
        </button>
        <FileCard />
      </div>
      <Address />
      <h3>To begin with</h3>
      <ul class="families">
        {FAMILIES.map(({ name, about, bytes, address }) => (
          <li key={address}>
            <button type="button" class="family" onClick={() => void look({ kind: 'address', address })}>
              <strong>{name}</strong>
              <span class="quiet">{about}</span>
              <span class="family-size">
                {bytesText(bytes)}
                {FITS[verdict(bytes + BESIDE, thisDevice()).level]}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <p class="quiet">From huggingface.co. What a model needs is read from its header before it is downloaded.</p>
    </>
  )
}

function FileCard() {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <button type="button" class="card" onClick={() => input.current!.click()}>
        <strong>
          <Icon name="file" /> From this device
        </strong>
        <span>A GGUF file; or drop it anywhere</span>
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept=".gguf"
        id="model-file"
        aria-label="GGUF file"
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? []
          if (file) void look({ kind: 'file', file })
        }}
      />
    </>
  )
}

function Address() {
  const [problem, setProblem] = useState('')
  return (
    <form
      class="address"
      onSubmit={(event) => {
        event.preventDefault()
        const text = String(new FormData(event.currentTarget).get('address'))
        try {
          void look({ kind: 'address', address: readAddress(text) })
        } catch (error) {
          setProblem((error as Error).message)
        }
      }}
    >
      <label for="address">Address of a GGUF file</label>
      <div class="row">
        <input
          id="address"
          name="address"
          placeholder="hf:owner/repo/file.gguf"
          autocomplete="off"
          spellcheck={false}
          aria-describedby="address-problem"
          aria-invalid={problem !== ''}
        />
        <button type="submit">Look</button>
      </div>
      <p id="address-problem" class="problem" role="alert">
        {problem}
      </p>
    </form>
  )
}

/** The key of the server, or the way back to it. */
function Server() {
  const { value: problem } = keyProblem
  if (problem === undefined) {
    const here = backend.value?.how.startsWith('On ')
    return here ? null : (
      <button
        type="button"
        class="card"
        onClick={() => void connect(sessionStorage.getItem('cria-key') ?? '').then(() => (dialog.value = undefined))}
      >
        <strong>The server’s model</strong>
        <span>Answers on {location.host}</span>
      </button>
    )
  }
  return (
    <form
      class="address"
      onSubmit={(event) => {
        event.preventDefault()
        void connect(String(new FormData(event.currentTarget).get('key'))).then(() => {
          if (keyProblem.value === undefined) dialog.value = undefined
        })
      }}
    >
      <label for="key">Key of the server at {location.host}</label>
      <div class="row">
        <input
          id="key"
          name="key"
          type="password"
          autocomplete="current-password"
          required
          aria-describedby="key-problem"
        />
        <button type="submit" class="primary">
          Connect
        </button>
      </div>
      <p id="key-problem" class="problem" role="alert">
        {problem}
      </p>
    </form>
  )
}

function CandidateCard() {
  const { source, facts, error } = candidate.value!
  if (error) {
    return (
      <div class="candidate">
        <h3>{sourceName(source)}</h3>
        <p class="problem" role="alert">
          {error}
        </p>
        <button type="button" onClick={lookAway}>
          Back
        </button>
      </div>
    )
  }
  if (!facts) {
    return (
      <div class="candidate">
        <h3>{sourceName(source)}</h3>
        <p role="status">Reading its header …</p>
        <button type="button" onClick={lookAway}>
          Cancel
        </button>
      </div>
    )
  }
  const judged = facts.memory && verdict(facts.memory.total, thisDevice())
  return (
    <div class="candidate">
      <h3>{facts.name}</h3>
      <dl class="facts">
        <dt>Architecture</dt>
        <dd>{facts.architecture}</dd>
        {facts.parameters !== undefined && (
          <>
            <dt>Parameters</dt>
            <dd>{parametersText(facts.parameters)}</dd>
          </>
        )}
        <dt>{source.kind === 'file' ? 'File' : 'Download'}</dt>
        <dd>{bytesText(facts.fileBytes)}</dd>
        {facts.memory && (
          <>
            <dt>Context</dt>
            <dd>
              {facts.memory.context} tokens{facts.trained ? ` of ${facts.trained}` : ''}
            </dd>
          </>
        )}
      </dl>
      {judged && <p class={`verdict ${judged.level}`}>{judged.text}</p>}
      {facts.problem && (
        <p class="problem" role="alert">
          {facts.problem}
        </p>
      )}
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={!facts.memory}
          onClick={() => void start(source, facts.memory?.context)}
        >
          {source.kind === 'file' ? 'Load' : 'Download and load'}
        </button>
        <button type="button" onClick={lookAway}>
          Back
        </button>
      </div>
    </div>
  )
}

function LoadingCard() {
  const { name, progress } = loading.value!
  return (
    <div class="candidate">
      <h3>Loading {name}</h3>
      <progress aria-label={`Loading ${name}`} max={progress?.total ?? 1} value={progress?.done ?? 0} />
      <p class="quiet">
        {progress && `${bytesText(progress.done)} of ${bytesText(progress.total)}`}
        {progress && progress.bytesPerSecond > 0 && `, ${bytesText(progress.bytesPerSecond)} per second`}
        {progress?.secondsLeft !== undefined &&
          progress.secondsLeft > 0 &&
          `, ${durationText(progress.secondsLeft)} left`}
      </p>
      <button type="button" onClick={cancelLoad}>
        Cancel
      </button>
    </div>
  )
}
