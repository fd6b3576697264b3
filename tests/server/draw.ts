/** Values drawn from JSON Schemas, as far as those of cria's server go: what fits them, and what misses them in one place. */
import type { Random } from '../../js/sampler/random.ts'

export type Schema = Record<string, unknown>

const WORDS = [
  '',
  'a',
  'Once',
  'Once upon a time',
  'stories',
  'é',
  '🦙',
  '"\n\\',
  '<s>',
  '{{ x }}',
  '\u0000',
  '7',
  '42',
]
/** Of any kind: most are wrong for a field. */
const OTHERS: readonly unknown[] = [true, 'x', -1.5, 1e300, -7, [], [[]], [{}], {}, { x: 1 }, '', [null], ['x', {}]]

export class Draw {
  /** @param root the document that references point into */
  constructor(
    private readonly random: Random,
    private readonly root: Schema,
  ) {}

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** Below `n`. */
  below(n: number): number {
    return Math.floor(this.random.uniform() * n)
  }

  /** What a reference stands for. */
  resolve(schema: Schema): Schema {
    const { $ref: ref } = schema
    if (typeof ref !== 'string') return schema
    return ref
      .slice('#/'.length)
      .split('/')
      .reduce((at, name) => at[name] as Schema, this.root)
  }

  /** A value that fits. */
  value(given: Schema): unknown {
    const schema = this.resolve(given)
    const { anyOf, enum: values, type } = schema
    if (Array.isArray(values)) return this.pick(values)
    if (Array.isArray(anyOf)) {
      const one = this.pick(anyOf as Schema[])
      return schema.properties ? this.object(both(schema, one)) : this.value(one)
    }
    switch (Array.isArray(type) ? this.pick(type) : type) {
      case 'null':
        return null
      case 'boolean':
        return this.below(2) === 1
      case 'integer':
        return Math.floor(this.number(schema))
      case 'number':
        return this.number(schema)
      case 'string':
        return this.text(schema)
      case 'array':
        return this.array(schema)
      case 'object':
        return this.object(schema)
      default:
        return this.pick([null, 5, 'x', [], {}])
    }
  }

  private number({ minimum = 0, maximum = 1e6, exclusiveMaximum }: Schema): number {
    if (exclusiveMaximum !== undefined) return (exclusiveMaximum as number) - 1 - this.below(5)
    const [low, high] = [minimum as number, maximum as number]
    const small = low + this.random.uniform() * Math.min(high - low, 9)
    return this.pick([low, small, small, small, high < 10 ? high : low])
  }

  private text({ minLength = 0, maxLength = Infinity, pattern, examples }: Schema): string {
    if (Array.isArray(examples)) return this.pick(examples)
    const fits = (word: string): boolean => {
      const { length } = Array.from(word)
      return (
        length >= (minLength as number) &&
        length <= (maxLength as number) &&
        new RegExp(String(pattern ?? '')).test(word)
      )
    }
    return this.pick(WORDS.filter(fits))
  }

  private array({ items = {}, prefixItems, contains, minItems = 0, maxItems = Infinity }: Schema): unknown[] {
    if (Array.isArray(prefixItems)) return (prefixItems as Schema[]).map((one) => this.value(one))
    const least = Math.max(minItems as number, contains ? 1 : 0)
    const length = Math.min(least + this.below(3), maxItems as number)
    const values = Array.from({ length }, () => this.value(items as Schema))
    if (contains) values[this.below(length)] = this.value({ minimum: 0, ...(contains as Schema) })
    return values
  }

  private object({ properties = {}, required = [], additionalProperties, propertyNames }: Schema): object {
    const names = Object.keys(properties as object)
    const few = Array.from({ length: this.below(5) }, () => names[this.below(names.length)]!)
    const chosen = new Set([...(required as string[]), ...(names.length > 0 ? few : [])])
    const fields = Array.from(chosen, (name) => [name, this.value((properties as Record<string, Schema>)[name]!)])
    const more =
      typeof additionalProperties === 'object' && propertyNames
        ? Array.from({ length: this.below(3) }, () => [
            this.text({ ...(propertyNames as Schema) }),
            this.value(additionalProperties as Schema),
          ])
        : []
    return Object.fromEntries([...fields, ...more])
  }

  /** A value that is wrong somewhere within, and where: `messages[0].role`. It may fit all the same: see the schema. */
  wrong(given: Schema, value: unknown, path = ''): { value: unknown; path: string } {
    const schema = this.resolve(given)
    const { properties, items, required = [] } = schema
    const inside = this.below(4) > 0
    if (isObject(value) && properties && (inside || path === '')) {
      const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
      const way = this.below(6)
      if (way === 0)
        return { value: { ...value, no_such_field: this.pick([1, 'x', false, {}]) }, path: at('no_such_field') }
      if (way === 1 && (required as string[]).length > 0) {
        const name = this.pick(required as string[])
        const { [name]: _, ...rest } = value
        return { value: rest, path: at(name) }
      }
      // What is there is looked into, and so it is chosen as often as all that could be.
      const name = this.pick([
        this.pick(Object.keys(properties)),
        this.pick([...Object.keys(value), ...(required as string[]), Object.keys(properties)[0]!]),
      ])
      const field = (properties as Record<string, Schema>)[name]
      if (!field) return this.wrong(given, value, path)
      const made = this.wrong(field, value[name], at(name))
      return { value: { ...value, [name]: made.value }, path: made.path }
    }
    if (Array.isArray(value) && value.length > 0 && items && inside) {
      const index = this.below(value.length)
      const made = this.wrong(items as Schema, value[index], `${path}[${index}]`)
      return { value: value.with(index, made.value), path: made.path }
    }
    const { minimum, maximum, minLength, maxLength, minItems, maxItems } = schema as Record<string, number | undefined>
    const beyond = [
      ...(minimum === undefined ? [] : [minimum - 1, minimum - 0.5]),
      ...(maximum === undefined ? [] : [maximum + 1, maximum + 0.5]),
      ...(minLength ? ['x'.repeat(minLength - 1)] : []),
      ...(maxLength ? ['x'.repeat(maxLength + 1)] : []),
      ...(minItems ? [[]] : []),
      ...(maxItems !== undefined && maxItems < 5000 ? [Array(maxItems + 1).fill(0)] : []),
    ]
    return { value: this.pick(beyond.length > 0 && this.below(2) > 0 ? beyond : OTHERS), path }
  }
}

function isObject(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null && !Array.isArray(x)
}

/** An object's schema and one of its alternatives. */
function both(schema: Schema, { required = [], properties = {} }: Schema): Schema {
  return {
    ...schema,
    anyOf: undefined,
    required: [...((schema.required as string[]) ?? []), ...(required as string[])],
    properties: {
      ...(schema.properties as object),
      ...merged(schema.properties as Record<string, Schema>, properties as Record<string, Schema>),
    },
  }
}

function merged(all: Record<string, Schema>, more: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(Object.entries(more).map(([name, schema]) => [name, { ...all[name], ...schema }]))
}
