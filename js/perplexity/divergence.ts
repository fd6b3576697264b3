/** How a model's probabilities differ from a base model's. Source of the protocol: llama.cpp's tools/perplexity. */
import { ArgumentError } from '../errors.ts'
import type { Source } from '../source/types.ts'
import { exp } from '../util/math.ts'
import { baseRowOffset, readBaseHeader, rowBytes, writeBaseHeader, writeBaseRow } from './base-file.ts'
import { countedTokens, type LogitsModel, leadingBos, planChunks, runChunks } from './chunks.ts'
import { Likelihood } from './perplexity.ts'
import { negativeLogLikelihood, softmax } from './softmax.ts'
import { covarianceOf, type Estimate, meanOf } from './statistics.ts'

/**
 * Chunks of a file of the model's log-probabilities over a text, to compare others with.
 * @throws as `perplexity` does
 */
export async function* writeBase(
  model: LogitsModel,
  text: string | readonly number[],
  options: { context?: number; chunks?: number; signal?: AbortSignal },
  onChunk: (likelihood: Likelihood) => void,
): AsyncGenerator<Uint8Array> {
  const plan = planChunks(model, text, options)
  const { context, chunks, ids } = plan
  const vocabulary = model.info.vocabularySize
  yield writeBaseHeader({ context, vocabulary, chunks, tokens: Int32Array.from(ids.slice(0, chunks * context)) })
  const likelihood = new Likelihood()
  for await (const chunk of runChunks(model, plan, options.signal)) {
    for await (const { logits, target } of chunk.rows()) {
      const row = new Uint8Array(rowBytes(vocabulary))
      const normal = softmax(logits)
      writeBaseRow(new DataView(row.buffer), logits, normal)
      likelihood.add(negativeLogLikelihood(normal, logits, target))
      yield row
    }
    onChunk(likelihood)
  }
}

/** What a comparison has found so far. */
export class Divergence {
  private nll = 0
  private nllSquares = 0
  private base = 0
  private baseSquares = 0
  private products = 0
  private kl = 0
  private klSquares = 0
  private shift = 0
  private shift2 = 0
  private shift4 = 0
  private same = 0
  count = 0
  /** Of each token: the divergence, and by how much the probability of what follows has changed. */
  readonly divergences: number[] = []
  readonly shifts: number[] = []

  /** `base`: a row of the file. */
  add(logits: Float32Array, target: number, base: DataView): void {
    const normal = softmax(logits)
    const total = normal.max + normal.logSum
    const scale = base.getFloat32(0, true)
    const least = base.getFloat32(4, true)
    let kl = 0
    let best = -1
    let bestSteps = -1
    for (let i = 0; i < logits.length; i++) {
      const steps = base.getUint16(8 + 2 * i, true)
      if (steps > bestSteps) {
        bestSteps = steps
        best = i
      }
      const logP = least + scale * steps
      if (logP > -16) kl += exp(logP) * (logP - logits[i]! + total)
    }
    const nll = negativeLogLikelihood(normal, logits, target)
    this.addToken(nll, -(least + scale * base.getUint16(8 + 2 * target, true)), kl, best === normal.best)
  }

  private addToken(nll: number, base: number, kl: number, same: boolean): void {
    const shift = exp(-nll) - exp(-base)
    this.nll += nll
    this.nllSquares += nll * nll
    this.base += base
    this.baseSquares += base * base
    this.products += nll * base
    this.kl += kl
    this.klSquares += kl * kl
    this.shift += shift
    this.shift2 += shift * shift
    this.shift4 += shift * shift * shift * shift
    if (same) this.same++
    this.count++
    this.divergences.push(kl)
    this.shifts.push(shift)
  }

  /** ln PPL of the model, and of the base. */
  get logPerplexity(): Estimate {
    return meanOf(this.nll, this.nllSquares, this.count)
  }

  get logPerplexityBase(): Estimate {
    return meanOf(this.base, this.baseSquares, this.count)
  }

  get covariance(): number {
    return covarianceOf(this.nll, this.base, this.products, this.count)
  }

  /** ln (PPL / PPL of the base). */
  get logRatio(): Estimate {
    const { logPerplexity: a, logPerplexityBase: b } = this
    const variance = a.error * a.error + b.error * b.error - 2 * this.covariance
    return { value: a.value - b.value, error: Math.sqrt(Math.max(0, variance)) }
  }

  get divergence(): Estimate {
    return meanOf(this.kl, this.klSquares, this.count)
  }

  /** Mean change of the probability of what follows. */
  get meanShift(): Estimate {
    return meanOf(this.shift, this.shift2, this.count)
  }

  /** Root of the mean square of that change. */
  get rootShift(): Estimate {
    const { value, error } = meanOf(this.shift2, this.shift4, this.count)
    const root = Math.sqrt(value)
    return { value: root, error: root > 0 ? (0.5 / root) * error : 0 }
  }

  /** How often both models find the same token the most probable. */
  get sameTop(): Estimate {
    const value = this.same / this.count
    return { value, error: Math.sqrt((value * (1 - value)) / (this.count - 1)) }
  }
}

/**
 * Compares the model with a file of log-probabilities, over the tokens that it holds.
 * @throws FormatError for a file that is not sound; ArgumentError KL_BASE_OTHER where it is another vocabulary's or its
 *   chunks are longer than the model's context; what `logits` throws
 */
export async function compareWithBase(
  model: LogitsModel,
  source: Source,
  options: { chunks?: number; signal?: AbortSignal },
  onChunk: (index: number, divergence: Divergence) => void,
): Promise<Divergence> {
  const { signal } = options
  const header = await readBaseHeader(source, signal)
  const { context, vocabulary } = header
  if (vocabulary !== model.info.vocabularySize) {
    const message = `${source.name} has a vocabulary of ${vocabulary} tokens, the model one of ${model.info.vocabularySize}: they cannot be compared.`
    throw new ArgumentError('KL_BASE_OTHER', message, vocabulary)
  }
  if (context > model.info.context) {
    const message = `${source.name} has chunks of ${context} tokens, more than the model's context of ${model.info.context}.`
    throw new ArgumentError('KL_BASE_OTHER', message, context)
  }
  const chunks = Math.min(options.chunks ?? header.chunks, header.chunks)
  const plan = { ids: Array.from(header.tokens), context, chunks, bos: leadingBos(model) }
  const divergence = new Divergence()
  const bytes = new Uint8Array(countedTokens(context) * rowBytes(vocabulary))
  for await (const chunk of runChunks(model, plan, signal)) {
    await source.read(bytes, baseRowOffset(header, chunk.index), signal)
    for await (const { logits, target, row } of chunk.rows()) {
      divergence.add(logits, target, new DataView(bytes.buffer, row * rowBytes(vocabulary), rowBytes(vocabulary)))
    }
    onChunk(chunk.index, divergence)
  }
  return divergence
}
