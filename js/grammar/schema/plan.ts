/** Plans the grammar of a schema: each place of it with the values that it may have, and whether it has any. */

import { GrammarError } from '../../errors.ts'
import type { GrammarRule } from '../expressions.ts'
import type { JsonText } from '../json-text.ts'
import type { Term } from '../terms.ts'
import {
  type Alternative,
  type ArrayAlternative,
  type Conjunction,
  canonical,
  conjunction,
  keyOf,
  type NamePattern,
  type ObjectAlternative,
} from './alternatives.ts'
import { type Located, unenforceable } from './document.ts'
import { numberTerm } from './numbers.ts'
import { itemSchemas, type SchemaReader } from './reader.ts'

const MAX_NODES = 5000
/** Names are sorted into classes by the patterns that they fit: 2 to this power. */
const MAX_PATTERNS = 6
/** An array of unique items of more values than these is refused. */
const MAX_UNIQUE = 64

/** Schemas that hold together, with what they allow. */
export interface SchemaNode {
  readonly id: number
  readonly schemas: Conjunction
  readonly forms: readonly Form[]
  /** Whether a value fits; known once all nodes are. */
  satisfiable: boolean
  rule?: GrammarRule
}

/** An alternative with the nodes below it. */
export type Form = { readonly term: Term } | ArrayForm | ObjectForm

export interface ArrayForm {
  readonly array: ArrayAlternative
  readonly id: number
  readonly prefix: readonly SchemaNode[]
  readonly rest: SchemaNode
  /** For each place of `prefix`, and for the rest: what `contains` counts, and what it need not. */
  readonly contains: readonly { readonly fitting: SchemaNode; readonly other: SchemaNode }[]
  /** Of unique items: the texts that an item may be. */
  readonly values: readonly Term[] | undefined
}

export interface ObjectForm {
  readonly object: ObjectAlternative
  readonly id: number
  /** In their order; `loose` ones may stand anywhere among the others. */
  readonly named: readonly Property[]
  readonly loose: readonly Property[]
  readonly others: readonly { readonly key: Term; readonly value: SchemaNode }[]
}

export interface Property {
  readonly name: string
  /** The name as it is written, and the colon. */
  readonly key: Term
  readonly required: boolean
  readonly value: SchemaNode
}

/** How far an array is read: items, those of them that `contains` counts, the values of unique items as bits. */
export interface ArrayPlace {
  readonly index: number
  readonly counted: number
  readonly used: bigint
}

/** How far an object is read: listed properties that were passed, properties so far, loose ones that are required still. */
export interface ObjectPlace {
  readonly index: number
  readonly count: number
  readonly missing: readonly Property[]
}

export class Plan {
  private readonly nodes = new Map<string, SchemaNode>()
  private formCount = 0

  constructor(
    private readonly reader: SchemaReader,
    private readonly json: JsonText,
  ) {}

  /** @throws GrammarError where no value fits */
  root(schemas: Conjunction): SchemaNode {
    const root = this.node(schemas)
    // What fits is found from the leaves up: recursion that never ends has no value.
    for (let changed = true; changed; ) {
      changed = false
      for (const node of this.nodes.values()) {
        if (node.satisfiable || !node.forms.some(fits)) continue
        node.satisfiable = changed = true
      }
    }
    if (root.satisfiable) return root
    throw new GrammarError('SCHEMA_EMPTY', 'No value fits the JSON Schema: its keywords contradict each other.')
  }

  private node(schemas: Conjunction): SchemaNode {
    const key = keyOf(schemas)
    let node = this.nodes.get(key)
    if (!node) {
      if (this.nodes.size >= MAX_NODES) {
        throw new GrammarError('SCHEMA_COMPLEX', `The schema makes more than ${MAX_NODES} different parts.`)
      }
      const forms: Form[] = []
      node = { id: this.nodes.size, schemas, forms, satisfiable: false }
      this.nodes.set(key, node)
      forms.push(...this.formsOf(this.reader.alternatives(schemas)))
    }
    return node
  }

  private formsOf(alternatives: readonly Alternative[]): Form[] {
    const terms: Term[] = []
    const forms: Form[] = []
    for (const alternative of alternatives) {
      switch (alternative.type) {
        case 'values':
          terms.push(...this.valueTerms(alternative.values))
          break
        case 'number':
          terms.push(numberTerm(this.json, alternative))
          break
        case 'string':
          terms.push(this.json.quoted(this.json.content(alternative)))
          break
        case 'array':
          forms.push(this.arrayForm(alternative))
          break
        case 'object':
          forms.push(this.objectForm(alternative))
      }
    }
    const term = this.json.terms.or(terms)
    return this.json.terms.isAlive(term) ? [{ term }, ...forms] : forms
  }

  private valueTerms(values: readonly unknown[]): Term[] {
    const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null
    const [scalars, others] = [values.filter(isScalar), values.filter((value) => !isScalar(value))]
    return [
      this.json.literals(scalars.map((value) => JSON.stringify(value))),
      this.json.terms.alternatives(others.map((value) => this.json.value(value))),
    ]
  }

  private arrayForm(array: ArrayAlternative): ArrayForm {
    const { facets, unique, max } = array
    const length = Math.min(max, Math.max(0, ...facets.map(({ prefix }) => prefix.length)))
    const prefix = Array.from({ length }, (_, i) => this.node(itemSchemas(array, i)))
    const rest = this.node(itemSchemas(array, Math.max(length, ...facets.map((facet) => facet.prefix.length))))
    if (array.contains.length > 1 || (array.contains.length > 0 && unique)) {
      const { schema } = array.contains[0]!
      throw unenforceable(schema.path, 'several contains, or one with uniqueItems, in one array')
    }
    const [contained] = array.contains
    const contains = [...prefix, rest].flatMap(({ schemas }) => {
      if (!contained) return []
      // With an upper bound, what is not counted must not fit.
      const not = contained.max < Number.POSITIVE_INFINITY ? [this.reader.document.not(contained.schema)] : []
      const fitting = this.node(conjunction([...schemas, contained.schema]))
      return { fitting, other: this.node(conjunction([...schemas, ...not])) }
    })
    const values = unique && max > 1 ? this.uniqueValues(array, unique, [...prefix, rest]) : undefined
    return { array, id: this.formCount++, prefix, rest, contains, values }
  }

  private uniqueValues(array: ArrayAlternative, at: Located, items: readonly SchemaNode[]): Term[] {
    const found = new Map<string, Term>()
    for (const { schemas } of items) {
      for (const alternative of this.reader.alternatives(schemas)) {
        if (alternative.type !== 'values') {
          throw unenforceable(`${at.path}/uniqueItems`, 'only items of an enum can be kept apart')
        }
        for (const value of alternative.values) found.set(canonical(value), this.json.value(value))
      }
    }
    if (found.size > MAX_UNIQUE || array.facets.some(({ prefix }) => prefix.length > 0)) {
      throw unenforceable(`${at.path}/uniqueItems`, `items of more than ${MAX_UNIQUE} values, or after prefixItems`)
    }
    return [...found.values()]
  }

  private objectForm(object: ObjectAlternative): ObjectForm {
    const { facets, required } = object
    const names = new Set(facets.flatMap(({ properties }) => [...properties.keys()]))
    const property = (name: string): Property => ({
      name,
      key: this.json.key(this.json.literal(JSON.stringify(name))),
      required: required.has(name),
      value: this.node(this.reader.propertySchemas(object, name)),
    })
    const named = Array.from(names, property)
    const loose = [...required].filter((name) => !names.has(name)).map(property)
    const others = this.otherNames(object, [...names, ...required])
    if (object.min > 1 && object.min > required.size && others.length > 0) {
      throw unenforceable('minProperties', 'names that the schema does not list could be the same twice')
    }
    return { object, id: this.formCount++, named, loose, others }
  }

  /** Classes of the names that are not listed, by the patterns that they fit. */
  private otherNames({ facets, names }: ObjectAlternative, listed: readonly string[]): ObjectForm['others'] {
    const { terms } = this.json
    const patterns = new Map<string, NamePattern>()
    for (const facet of facets) for (const pattern of facet.patterns) patterns.set(pattern.source, pattern)
    if (patterns.size > MAX_PATTERNS) {
      throw unenforceable('patternProperties', `more than ${MAX_PATTERNS} patterns for the names of one object`)
    }
    const sources = [...patterns.keys()]
    const content = this.nameContent(names, listed)
    const classes = new Map<string, { schemas: Conjunction; keys: Term[] }>()
    for (let bits = 0; bits < 1 << sources.length; bits++) {
      const fitting = new Set(sources.filter((_, i) => (bits >> i) & 1))
      const parts = sources.map((source) => {
        const { term } = patterns.get(source)!
        return fitting.has(source) ? term : terms.not(term)
      })
      const key = parts.length > 0 ? terms.and([content, ...parts]) : content
      if (!terms.isAlive(key)) continue
      const schemas = conjunction(
        facets.flatMap((facet) => {
          const found = facet.patterns.filter(({ source }) => fitting.has(source)).map(({ schema }) => schema)
          return found.length > 0 ? found : (facet.additional ?? [])
        }),
      )
      const id = keyOf(schemas)
      const known = classes.get(id) ?? { schemas, keys: [] }
      known.keys.push(key)
      classes.set(id, known)
    }
    return [...classes.values()]
      .filter(({ schemas }) => schemas[0]?.schema !== false)
      .map(({ schemas, keys }) => ({ key: this.json.key(this.json.quoted(terms.or(keys))), value: this.node(schemas) }))
  }

  /** The contents of names that are not listed. */
  private nameContent(names: Conjunction, listed: readonly string[]): Term {
    const { terms, anything } = this.json
    const others = listed.length > 0 ? this.json.excluding(listed) : anything
    if (names.length === 0) return others
    const allowed = this.reader.alternatives(names).flatMap((alternative): Term[] => {
      if (alternative.type === 'string')
        return [this.json.content({ ...alternative, content: alternative.content ?? anything })]
      if (alternative.type !== 'values') return []
      const texts = alternative.values.filter((value) => typeof value === 'string')
      return [terms.literals(texts.map((text) => this.json.textOf(text)))]
    })
    return terms.and([others, terms.or(allowed)])
  }
}

/** Whether a form has a value, by the nodes that are known to have one. */
export function fits(form: Form): boolean {
  if ('term' in form) return true
  if ('array' in form) return canEndArray(form, arrayStart())
  const required = [...form.named, ...form.loose].filter((property) => property.required)
  return required.every(({ value }) => value.satisfiable) && canEndObject(form, objectStart(form), leftOf(form))
}

export function arrayStart(): ArrayPlace {
  return { index: 0, counted: 0, used: 0n }
}

export function objectStart({ loose }: ObjectForm): ObjectPlace {
  return { index: 0, count: 0, missing: loose }
}

/** Whether some items more, or none, make the array whole. */
export function canEndArray(form: ArrayForm, { index, counted }: ArrayPlace): boolean {
  const { array, prefix, values } = form
  const { min, max, contains } = array
  if (values) return values.length >= min
  const [contained] = contains
  let missing = contained ? contained.min - counted : 0
  // What holds of the first item after the listed ones holds of all.
  const last = Math.min(max, Math.max(min, prefix.length + 1))
  for (let i = index; i < last && (missing > 0 || i < min); i++) {
    const choices = itemChoices(form, i)
    if (!choices.some(({ node }) => node.satisfiable)) return false
    if (choices[0]!.counts && choices[0]!.node.satisfiable) missing--
  }
  if (missing <= 0) return true
  const rest = itemChoices(form, prefix.length)[0]!
  return rest.node.satisfiable && Math.max(index, last) + missing <= max
}

/** The schemas that the item at an index may have; the first is the one that `contains` counts, if it does. */
export function itemChoices(
  { array, prefix, rest, contains }: ArrayForm,
  index: number,
): { readonly node: SchemaNode; readonly counts: boolean }[] {
  const place = Math.min(index, prefix.length)
  if (array.contains.length === 0) return [{ node: prefix[place] ?? rest, counts: false }]
  const { fitting, other } = contains[place]!
  return [
    { node: fitting, counts: true },
    { node: other, counts: false },
  ]
}

/** Of the listed properties from each on: how many are required, and how many have values. */
export interface Left {
  readonly required: readonly number[]
  readonly possible: readonly number[]
}

export function leftOf({ named }: ObjectForm): Left {
  const required = [0]
  const possible = [0]
  for (const property of [...named].reverse()) {
    required.push(required.at(-1)! + Number(property.required))
    possible.push(possible.at(-1)! + Number(property.value.satisfiable))
  }
  return { required: required.reverse(), possible: possible.reverse() }
}

/** Whether some properties more, or none, make the object whole, where all that are required have values. */
export function canEndObject(
  { object, others }: ObjectForm,
  { index, count, missing }: ObjectPlace,
  left: Left,
): boolean {
  const least = count + missing.length
  if (least + left.required[index]! > object.max) return false
  return least + left.possible[index]! >= object.min || others.some(({ value }) => value.satisfiable)
}
