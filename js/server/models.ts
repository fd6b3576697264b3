/** The models of a server, by the names that clients may call them. */
import type { Model } from '../api/types.ts'
import { invalid } from '../util/check.ts'
import { ApiError } from './errors.ts'
import { Gate } from './gate.ts'
import { Slots } from './slots.ts'
import type { ModelCard } from './types.ts'

/** A model under the name that answers give it. */
export interface NamedModel {
  name: string
  model: Model
  card: ModelCard
  gate: Gate
  slots: Slots
}

/** @throws ArgumentError for what is no model */
export function modelsByName(models: Model | Readonly<Record<string, Model>>): Map<string, Model> {
  if (typeof models !== 'object' || models === null) throw invalid('models', 'a model, or models by name', models)
  const single = typeof models.generate === 'function'
  const model = models as Model
  const map = new Map(single ? [[model.info.name || 'model', model]] : Object.entries(models as Record<string, Model>))
  for (const one of map.values()) {
    if (typeof one?.generate !== 'function') throw invalid('models', 'a model, or models by name', one)
  }
  if (map.size === 0) throw invalid('models', 'at least one model', models)
  return map
}

export class Models {
  readonly all: readonly NamedModel[]
  private readonly names: ReadonlyMap<string, NamedModel>

  constructor(
    models: ReadonlyMap<string, Model>,
    about: Readonly<Record<string, ModelCard>>,
    private readonly strict: boolean,
    limits: { parallel?: number; queue: number },
  ) {
    const lanes = new Map(
      Array.from(models.values(), (model) => [
        model,
        { gate: new Gate(limits.parallel ?? model.info.parallel, limits.queue), slots: new Slots(model.info.parallel) },
      ]),
    )
    this.all = Array.from(models, ([name, model]) => ({ name, model, card: about[name] ?? {}, ...lanes.get(model)! }))
    // A name that is a model's own is no other's.
    this.names = new Map([
      ...this.all.flatMap((one) => (one.card.aliases ?? []).map((alias) => [alias, one] as const)),
      ...this.all.map((one) => [one.name, one] as const),
    ])
  }

  /**
   * The model that a client asks for; without a name, the first. A single one goes by any name, unless names are strict: clients
   * send the names of OpenAI's models.
   * @throws ApiError 404
   */
  find(name: string | undefined): NamedModel {
    const found = name ? this.named(name) : this.all[0]
    if (found) return found
    if (this.all.length === 1 && !this.strict) return this.all[0]!
    throw this.unknown(name!)
  }

  /** By a name that it has. */
  named(name: string): NamedModel | undefined {
    return this.names.get(name)
  }

  unknown(name: string): ApiError {
    const names = [...this.names.keys()].join(', ')
    return new ApiError(404, 'model_not_found', `There is no model ${name} here; there is ${names}.`, 'model', name)
  }
}
