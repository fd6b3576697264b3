/**
 * Texts that models of random weights write where a random schema, grammar or expression constrains them: each is checked by
 * what is not of js/grammar.
 */
import { readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import Ajv4 from 'ajv-draft-04'
import addFormats from 'ajv-formats'
import { type GenerateOptions, type GenerateResult, GrammarError, load, type Model } from 'cria'
import * as assert from 'uvu/assert'
import { compileGrammar } from '../js/grammar/grammar.ts'
import { type Draws, draws } from './random-draws.ts'
import { randomGbnf } from './random-gbnf.ts'
import { randomPattern } from './random-patterns.ts'
import { randomSchema } from './random-schemas.ts'
import { shared } from './shared.ts'

/** What a text is held to, and whether it is; undefined where no validator can say. */
interface Constraint {
  options: Pick<GenerateOptions, 'schema' | 'compact' | 'grammar' | 'regex'>
  isValid: ((text: string) => boolean) | undefined
}

export interface Outcome {
  /** Texts that ended by themselves and are valid, that were cut short, and that are JSON but have no validator. */
  whole: number
  cut: number
  unchecked: number
  /** Schemas that cannot be enforced. */
  refused: number
  tokens: number
}

/** With every token about as likely as any other, a text would hardly end. */
const TOWARDS_THE_END = 3
const SAMPLING: GenerateOptions = { temperature: 1.5, topK: 0, topP: 1, minP: 0, maxTokens: 240 }
/** Texts of one constraint. */
const TEXTS = 2
/** Texts that are written one after the other, and then at once. */
const ROUND = 32

/**
 * Generates `count` texts one after the other on one thread, and again, as many at once as a batch has place for, on several:
 * both must be the same.
 */
export async function constrainedTexts(file: string, count: number, seed: number): Promise<Outcome> {
  const random = draws(seed)
  const real = realSchemas()
  const outcome: Outcome = { whole: 0, cut: 0, unchecked: 0, refused: 0, tokens: 0 }
  const [alone, batched] = await Promise.all([
    load(file, { threads: 1, parallel: 1 }),
    load(file, { threads: 2, parallel: 8, kvTokens: 4096 }),
  ])
  try {
    const logitBias = closing(alone)
    for (let done = 0; done < count; ) {
      const round: { constraint: Constraint; options: GenerateOptions; result: GenerateResult }[] = []
      while (round.length < ROUND && done + round.length < count) {
        const constraint = randomConstraint(random, real)
        for (let i = 0; i < TEXTS; i++) {
          const options = { ...SAMPLING, ...constraint.options, logitBias, seed: random.count(0, 2 ** 31) }
          const result = await generated(alone, options)
          if (result) round.push({ constraint, options, result })
          else outcome.refused++
          if (!result) break
        }
      }
      for (const { constraint, options, result } of round) check(alone, constraint, options, result, outcome)
      const again = await Promise.all(round.map(({ options }) => generated(batched, options)))
      for (const [i, { options, result }] of round.entries()) assert.equal(again[i]!.ids, result.ids, shown(options))
      done += round.length
    }
  } finally {
    await Promise.all([alone.close(), batched.close()])
  }
  return outcome
}

/** Undefined where the constraint cannot be enforced, which is of schemas, of what is too large and of what nothing fits. */
async function generated(model: Model, options: GenerateOptions): Promise<GenerateResult | undefined> {
  try {
    return await model.generate('', options).result()
  } catch (error) {
    assert.instance(error, GrammarError, `${error} ${shown(options)}`)
    const { code } = error as GrammarError
    assert.ok(options.schema !== undefined || /^GRAMMAR_(COMPLEX|EMPTY)$/.test(code), `${error} ${shown(options)}`)
    return undefined
  }
}

function check(
  model: Model,
  { isValid }: Constraint,
  options: GenerateOptions,
  { text, json, ids, finishReason }: GenerateResult,
  outcome: Outcome,
): void {
  const about = `${shown(options)} ${JSON.stringify(text)}`
  outcome.tokens += ids.length
  if (finishReason === 'length') {
    assert.is(json, undefined, about)
    assert.ok(canGoOn(model, options, ids), about)
    outcome.cut++
    return
  }
  assert.is(finishReason, 'stop', about)
  if (options.schema !== undefined) assert.equal(json, JSON.parse(text), about)
  if (isValid) assert.ok(isValid(text), about)
  outcome[isValid ? 'whole' : 'unchecked']++
}

/** Whether ids may come in a text that has an end: some token is allowed behind them. Of what is too large, who knows. */
function canGoOn({ tokenizer }: Model, options: GenerateOptions, ids: readonly number[]): boolean {
  const { schema, compact = false, grammar: gbnf, regex } = options
  const source =
    schema === undefined ? (gbnf === undefined ? { regex: regex! } : { gbnf }) : { jsonSchema: schema, compact }
  const place = compileGrammar(source, tokenizer).start()
  try {
    return ids.every((id) => place.accept(id)) && place.mask().some((word) => word !== 0)
  } catch (error) {
    assert.is((error as GrammarError).code, 'GRAMMAR_COMPLEX', shown(options))
    return true
  }
}

const shown = ({ logitBias, ...options }: GenerateOptions): string => JSON.stringify(options)

/** The bias of tokens that close something. */
function closing({ tokenizer }: Model): Record<number, number> {
  const bias: Record<number, number> = {}
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const closes = /^["\]})]+$/.test(new TextDecoder().decode(tokenizer.tokenBytes(id)))
    if (closes || tokenizer.isEndOfGeneration(id)) bias[id] = TOWARDS_THE_END
  }
  return bias
}

function randomConstraint(random: Draws, real: readonly unknown[]): Constraint {
  const { often, pick } = random
  const kind = pick(['schema', 'schema', 'real', 'gbnf', 'regex'])
  if (kind === 'gbnf') {
    const { gbnf, matches } = randomGbnf(random)
    return { options: { grammar: gbnf }, isValid: matches }
  }
  if (kind === 'regex') {
    const regex = randomPattern(random)
    const whole = new RegExp(`^(?:${regex})$`, 'u')
    return { options: { regex }, isValid: (text) => whole.test(text) }
  }
  const schema = (kind === 'real' ? pick(real) : randomSchema(random)) as object
  const validate = validatorOf(schema)
  return {
    options: { schema, compact: often(0.5) },
    isValid: validate && ((text) => validate(JSON.parse(text)) as boolean),
  }
}

function realSchemas(): unknown[] {
  const lines = readFileSync(shared('vectors', 'jsonschema', 'maskbench.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
  return lines.map((line) => (JSON.parse(line) as { schema: unknown }).schema)
}

const OPTIONS = { strict: false, multipleOfPrecision: 9, addUsedSchema: false, logger: false } as const

/** By the draft that the schema names; undefined where the validator does not take it. */
function validatorOf(schema: object): ValidateFunction | undefined {
  const { $schema = '' } = schema as { $schema?: string }
  const ajv = /draft-0?[34]/.test($schema)
    ? new Ajv4.default(OPTIONS)
    : /draft-0?[67]/.test($schema)
      ? new Ajv(OPTIONS)
      : new Ajv2020(OPTIONS)
  addFormats.default(ajv as Ajv)
  try {
    return ajv.compile(schema)
  } catch {
    return undefined
  }
}
