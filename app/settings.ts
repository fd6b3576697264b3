/** What the reader has chosen, kept in this browser. An absent number is left to the model's file, else to cria's default. */

export interface Settings {
  temperature?: number
  topK?: number
  topP?: number
  minP?: number
  repeatPenalty?: number
  maxTokens?: number
  seed?: number
  /** Tokens of context that a model is loaded with. */
  context?: number
  /** Whether models that can think before they answer do: as the model likes, always, never. */
  reasoning: 'auto' | 'on' | 'off'
  /** Ask for the alternatives of each token. */
  alternatives: boolean
  theme: 'auto' | 'light' | 'dark'
  /** The system prompt of new conversations. */
  system: string
}

export interface NumberField {
  readonly key: 'temperature' | 'topK' | 'topP' | 'minP' | 'repeatPenalty' | 'maxTokens' | 'seed' | 'context'
  readonly label: string
  readonly help: string
  readonly least: number
  readonly most: number
  /** 1: whole numbers. */
  readonly step: number
  /** What holds where the field is empty. */
  readonly absent: string
}

export const NUMBER_FIELDS: readonly NumberField[] = [
  {
    key: 'temperature',
    label: 'Temperature',
    help: 'Lower is surer, higher is wilder; 0 always takes the likeliest token.',
    least: 0,
    most: 5,
    step: 0.05,
    absent: '0.8',
  },
  {
    key: 'topK',
    label: 'Top K',
    help: 'Only the K likeliest tokens; 0: all.',
    least: 0,
    most: 1000,
    step: 1,
    absent: '40',
  },
  {
    key: 'topP',
    label: 'Top P',
    help: 'Only the likeliest tokens that hold this probability together.',
    least: 0,
    most: 1,
    step: 0.01,
    absent: '0.95',
  },
  {
    key: 'minP',
    label: 'Min P',
    help: 'Only tokens with at least this share of the best one’s probability.',
    least: 0,
    most: 1,
    step: 0.01,
    absent: '0.05',
  },
  {
    key: 'repeatPenalty',
    label: 'Repeat penalty',
    help: 'Above 1 makes repetitions rarer.',
    least: 0.5,
    most: 2,
    step: 0.05,
    absent: '1',
  },
  {
    key: 'maxTokens',
    label: 'Most tokens',
    help: 'Where an answer is cut.',
    least: 1,
    most: 1_000_000,
    step: 1,
    absent: 'to its end',
  },
  {
    key: 'seed',
    label: 'Seed',
    help: 'The same seed and settings give the same answer.',
    least: 0,
    most: 4294967295,
    step: 1,
    absent: 'random',
  },
  {
    key: 'context',
    label: 'Context',
    help: 'Tokens a conversation may have; takes effect when a model is loaded.',
    least: 64,
    most: 1_048_576,
    step: 1,
    absent: '4096 or the model’s',
  },
]

export const DEFAULT_SETTINGS: Settings = { reasoning: 'auto', alternatives: false, theme: 'auto', system: '' }

/** What a text in a field says: a number in its range, undefined where it is empty, or what is wrong with it. */
export function readNumber(field: NumberField, text: string): { value?: number; problem?: string } {
  if (text.trim() === '') return {}
  const value = Number(text)
  const whole = field.step === 1
  if (Number.isFinite(value) && value >= field.least && value <= field.most && (!whole || Number.isInteger(value))) {
    return { value }
  }
  return { problem: `${whole ? 'A whole number' : 'A number'} from ${field.least} to ${field.most}.` }
}

const KEY = 'cria-settings'

/** Those that were kept; what is not of this version's kind is left out. */
export function readSettings(storage: Pick<Storage, 'getItem'>): Settings {
  let kept: Partial<Record<keyof Settings, unknown>>
  try {
    kept = JSON.parse(storage.getItem(KEY) ?? '{}') ?? {}
  } catch {
    // Another program's, or half written: the defaults serve.
    return DEFAULT_SETTINGS
  }
  const numbers = NUMBER_FIELDS.flatMap((field) => {
    const { value } = typeof kept[field.key] === 'number' ? readNumber(field, String(kept[field.key])) : {}
    return value === undefined ? [] : [[field.key, value]]
  })
  const oneOf = <T extends string>(value: unknown, among: readonly T[]): T =>
    among.find((one) => one === value) ?? among[0]!
  return {
    ...Object.fromEntries(numbers),
    reasoning: oneOf(kept.reasoning, ['auto', 'on', 'off']),
    alternatives: kept.alternatives === true,
    theme: oneOf(kept.theme, ['auto', 'light', 'dark']),
    system: typeof kept.system === 'string' ? kept.system : '',
  }
}

export function keepSettings(storage: Pick<Storage, 'setItem'>, settings: Settings): void {
  storage.setItem(KEY, JSON.stringify(settings))
}
