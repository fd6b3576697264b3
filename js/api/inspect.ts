/** What a file's header says of running it. */
import * as platform from '#platform'
import { contextOf } from '../engine/context.ts'
import { planMemory } from '../engine/plan.ts'
import { CriaError } from '../errors.ts'
import { findTensors, readConfig } from '../models/index.ts'
import { countParameters } from '../models/tensors.ts'
import { SOURCE_OPTIONS } from '../source/check.ts'
import type { ModelInput } from '../source/types.ts'
import { hasVocabulary, readVocabulary } from '../tokenizer/vocabulary.ts'
import { checkOptions, type OptionNames } from '../util/check.ts'
import type { CriaWarning } from '../util/warn.ts'
import { readHeader } from './header.ts'
import { PLAN_OPTIONS, resolvePlan } from './options.ts'
import { samplingOf } from './sampling.ts'
import type { Inspection, InspectOptions } from './types.ts'

const OPTIONS: OptionNames<InspectOptions> = { ...SOURCE_OPTIONS, ...PLAN_OPTIONS }

/**
 * What a file holds and what running it would take, from its header alone.
 * @throws ArgumentError, SourceError, FormatError (where the header is unsound), AbortError
 */
export async function inspect(input: ModelInput, options: InspectOptions = {}): Promise<Inspection> {
  checkOptions(options, OPTIONS)
  const planOptions = resolvePlan(options, platform.cores())
  const gguf = await readHeader(input, options)
  const { version, fileBytes, metadata } = gguf
  const warnings: CriaWarning[] = []
  const warn = (warning: CriaWarning): void => void warnings.push(warning)
  const sampling = samplingOf(metadata, warn)
  const base = { version, fileBytes, metadata, tensors: [...gguf.tensors.values()], sampling, warnings }
  try {
    const config = readConfig(gguf, warn)
    const context = contextOf(config.contextLength, planOptions.context)
    const tensors = findTensors(gguf, config)
    if (hasVocabulary(metadata)) readVocabulary(metadata, warn)
    const parameters = countParameters(tensors, config)
    const plan = planMemory(config, tensors, { ...planOptions, context })
    const memory = {
      context,
      kvType: planOptions.kv,
      weights: plan.weightBytes,
      kv: plan.kvBytes,
      buffers: plan.bufferBytes,
      total: plan.totalBytes,
      segments: plan.segments.length,
    }
    return { ...base, config, parameters, memory }
  } catch (problem) {
    if (problem instanceof CriaError) return { ...base, problem }
    throw problem
  }
}
