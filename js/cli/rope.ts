/** The flags of rotation: they stand for the keys of the file that say the same. */
import { inspect } from '../api/inspect.ts'
import type { Overrides } from '../gguf/overrides.ts'
import { underPrefix } from '../models/keys.ts'
import { choice, integer, number, or, UsageError, type Values } from './flags.ts'
import type { Input } from './source.ts'

export const ROPE_FLAGS = {
  ropeScaling: or(
    'LLAMA_ARG_ROPE_SCALING_TYPE',
    choice('--rope-scaling', ['none', 'linear', 'yarn'], "how positions are scaled; default: the file's"),
  ),
  ropeScale: or('LLAMA_ARG_ROPE_SCALE', number('--rope-scale', 'factor by which the context grows', 0)),
  ropeFreqScale: or('LLAMA_ARG_ROPE_FREQ_SCALE', number('--rope-freq-scale', 'its inverse', 0)),
  ropeFreqBase: or('LLAMA_ARG_ROPE_FREQ_BASE', number('--rope-freq-base', "base of the frequencies; 0: the file's", 0)),
  yarnOrigCtx: or(
    'LLAMA_ARG_YARN_ORIG_CTX',
    integer('--yarn-orig-ctx', "YaRN: context before it was extended; 0: the file's", 0),
  ),
  yarnExtFactor: or(
    'LLAMA_ARG_YARN_EXT_FACTOR',
    number('--yarn-ext-factor', 'YaRN: 1 with --rope-scaling yarn, else 0'),
  ),
  yarnAttnFactor: or('LLAMA_ARG_YARN_ATTN_FACTOR', number('--yarn-attn-factor', 'YaRN: 1')),
  yarnBetaSlow: or(
    'LLAMA_ARG_YARN_BETA_SLOW',
    number('--yarn-beta-slow', 'YaRN: turns of what is scaled whole; default: 1'),
  ),
  yarnBetaFast: or('LLAMA_ARG_YARN_BETA_FAST', number('--yarn-beta-fast', 'YaRN: turns of what is kept; default: 32')),
}

type Given = Values<typeof ROPE_FLAGS>

/**
 * The input with the keys that the flags stand for.
 * @throws UsageError for a model whose layers are rotated in several ways, and for what cria has no key for
 */
export async function withRope(input: Input, values: Given, signal: AbortSignal): Promise<Input> {
  const { ropeScale, ropeFreqScale, yarnExtFactor = -1, yarnAttnFactor = -1 } = values
  if (ropeScale !== undefined && ropeFreqScale !== undefined) {
    throw new UsageError('Give --rope-scale or --rope-freq-scale, not both.')
  }
  const flag = Object.keys(ROPE_FLAGS).find((key) => values[key as keyof Given] !== undefined)
  if (flag === undefined) return input
  const { location, options } = input
  const { metadata, config, problem } = await inspect(location, { ...options, signal })
  // Loading says what is wrong.
  if (problem || !config) return input
  const scaling = values.ropeScaling ?? config.ropes[0]!.scaling
  if (yarnExtFactor >= 0 && yarnExtFactor !== (scaling === 'yarn' ? 1 : 0)) {
    throw new UsageError(
      `--yarn-ext-factor ${yarnExtFactor} is not supported: cria has 1 with --rope-scaling yarn, else 0.`,
    )
  }
  if (yarnAttnFactor >= 0 && yarnAttnFactor !== 1) {
    throw new UsageError(`--yarn-attn-factor ${yarnAttnFactor} is not supported: cria has 1.`)
  }
  if (config.layers.some(({ window }) => window > 0)) {
    const [name] = ROPE_FLAGS[flag as keyof typeof ROPE_FLAGS].names
    throw new UsageError(`${name} is not supported for a model with windowed layers, which are rotated otherwise.`)
  }
  const keys = underPrefix(metadata, keysOf(values))
  return { location, options: { ...options, overrides: { ...keys, ...options.overrides } } }
}

function keysOf(values: Given): Overrides {
  const {
    ropeScaling,
    ropeScale,
    ropeFreqScale,
    ropeFreqBase,
    yarnOrigCtx,
    yarnBetaSlow = -1,
    yarnBetaFast = -1,
  } = values
  // As in llama.cpp, 0 is the file's.
  const factor = ropeScale || (ropeFreqScale && 1 / ropeFreqScale)
  return {
    ...(ropeScaling && { 'rope.scaling.type': ropeScaling }),
    ...(factor && { 'rope.scaling.factor': factor }),
    ...(ropeFreqBase && { 'rope.freq_base': ropeFreqBase }),
    ...(yarnOrigCtx && { 'rope.scaling.original_context_length': yarnOrigCtx }),
    ...(yarnBetaSlow >= 0 && { 'rope.scaling.yarn_beta_slow': yarnBetaSlow }),
    ...(yarnBetaFast >= 0 && { 'rope.scaling.yarn_beta_fast': yarnBetaFast }),
  }
}
