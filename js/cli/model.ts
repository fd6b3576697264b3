/** Loading a model for a command. */

import { load } from '../api/load.ts'
import type { LoadOptions, Model } from '../api/types.ts'
import { toggle, type Values } from './flags.ts'
import { type LOAD_FLAGS, loadOptions } from './options.ts'
import { type ROPE_FLAGS, withRope } from './rope.ts'
import { findInput, OVERRIDE_FLAGS, SOURCE_FLAGS } from './source.ts'
import { bytes, printable, progressBar, say, sayWarning } from './terminal.ts'
import { samplingText } from './traits.ts'

export const MODEL_FLAGS = { ...SOURCE_FLAGS, ...OVERRIDE_FLAGS }

export const KEEP_FLAGS = {
  cache: toggle('--cache', 'keep a model of a URL or the hub, and read it from there: see cria models'),
}

/** Loads the model that the flags name, with a progress bar where that takes long. */
export async function loadModel(
  values: Values<typeof MODEL_FLAGS & typeof LOAD_FLAGS & typeof ROPE_FLAGS> & { verbose?: true; cache?: true },
  signal: AbortSignal,
  more: LoadOptions = {},
): Promise<Model> {
  const input = await findInput(values, signal)
  const { location, options: reading } = await withRope(input, values, signal)
  const bar = progressBar()
  const start = performance.now()
  const options: LoadOptions = {
    ...loadOptions(values),
    ...more,
    ...reading,
    ...(values.cache && { cache: true }),
    onProgress: (progress) => bar.update(progress),
    onWarning: sayWarning,
    signal,
  }
  try {
    const model = await load(location, options)
    bar.stop()
    if (values.verbose) sayModel(model, performance.now() - start)
    return model
  } finally {
    bar.stop()
  }
}

function sayModel({ info }: Model, milliseconds: number): void {
  const { name, type, parameters, context, trainedContext, threads, isa, kv, memoryBytes, kvBytes, sampling } = info
  say(`model: ${printable(name)}, ${type}, ${parameters} parameters, loaded in ${(milliseconds / 1000).toFixed(2)} s`)
  say(`context: ${context} tokens (trained: ${trainedContext}), KV cache ${kv}, ${bytes(kvBytes)}`)
  say(`engine: ${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${bytes(memoryBytes)} of memory`)
  const defaults = samplingText(sampling)
  if (defaults) say(`sampling, as the file has it: ${defaults}`)
}
