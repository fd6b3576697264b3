/** Every case, in the order in which they run. */
import type { Model } from '../api/types.ts'
import type { KvType } from '../engine/kv.ts'
import type { ModelInput } from '../source/types.ts'
import { abortCase, closeCase, errorsCase } from './behaviour.ts'
import {
  callsCase,
  chatCase,
  constrainedCase,
  embedCase,
  logitsCase,
  samplerCase,
  stateCase,
  templateCase,
  togetherCase,
  tokenizerCase,
} from './bits.ts'
import { allConfigurations, someConfigurations, TOKENS } from './configurations.ts'
import { CONSTRAINTS } from './material.ts'
import type { CaseResult, Configuration, ConformanceOptions, Cria, Variants } from './types.ts'

export interface Case {
  name: string
  /** In how many configurations logits are computed. */
  configurations?: number
  run(cria: Cria): Promise<CaseResult>
}

/** Tokens of the models beside stories260K. */
const MODEL_TOKENS = 48

export function casesOf(options: ConformanceOptions, variants: Variants): Case[] {
  const {
    stories,
    models = {},
    vocabularies = {},
    templates = {},
    configurations = allConfigurations(variants),
  } = options
  const some = someConfigurations(variants)
  const onStories = (
    name: string,
    run: (model: Model, name: string) => CaseResult | Promise<CaseResult>,
    grammars = false,
  ): Case => ({
    name,
    run: (cria) => withModel(cria, stories, grammars, (model) => run(model, name)),
  })
  const tokenizer = (name: string, input: ModelInput, texts?: readonly string[]): Case => ({
    name: `tokenizer ${name}`,
    run: (cria) => tokenizerCase(cria, `tokenizer ${name}`, input, texts),
  })
  return [
    logits('stories260K f16', stories, TOKENS, 'f16', configurations),
    logits('stories260K f32', stories, TOKENS, 'f32', some),
    tokenizer('stories260K', stories),
    onStories('sampler', samplerCase),
    onStories('chat', chatCase),
    onStories('together', togetherCase),
    onStories('embed', embedCase),
    onStories('state', stateCase),
    ...Object.entries(CONSTRAINTS).map(([kind, constraints]) =>
      onStories(`constrained ${kind}`, (model, name) => constrainedCase(model, name, constraints), true),
    ),
    onStories('calls', callsCase, true),
    { name: 'errors', run: (cria) => errorsCase(cria, stories) },
    { name: 'abort', run: (cria) => abortCase(cria, stories) },
    { name: 'close', run: (cria) => closeCase(cria, stories) },
    ...Object.entries(models).map(([name, { input, kv = 'f16' }]) => logits(name, input, MODEL_TOKENS, kv, some)),
    ...Object.entries(vocabularies).map(([name, { input, texts }]) => tokenizer(name, input, texts)),
    ...Object.entries(templates).map(([name, template]) =>
      onStories(`template ${name}`, (model, name) => templateCase(model, name, template)),
    ),
  ]
}

function logits(
  name: string,
  model: ModelInput,
  tokens: number,
  kv: KvType,
  configurations: readonly Configuration[],
): Case {
  return {
    name,
    configurations: configurations.length,
    run: (cria) => logitsCase(cria, name, { model, tokens, kv, configurations }),
  }
}

async function withModel<T>(
  cria: Cria,
  input: ModelInput,
  grammars: boolean,
  run: (model: Model) => T | Promise<T>,
): Promise<T> {
  const model = await cria.load(input, { context: 512, grammars })
  try {
    return await run(model)
  } finally {
    await model.close()
  }
}
