/** Reads schemas as alternatives: keywords, and the schemas that apply in place (`allOf`, `anyOf`, `not`, `$ref` …). */

import { GrammarError } from '../../errors.ts'
import type { JsonText } from '../json-text.ts'
import {
  type Alternative,
  ANY,
  ANY_OBJECT,
  type ArrayAlternative,
  type Conjunction,
  canonical,
  conjunction,
  intersect,
  keyOf,
  type ObjectAlternative,
  type PropertyFacet,
} from './alternatives.ts'
import { isObject, type Located, malformed, type SchemaDocument, type SchemaObject, unenforceable } from './document.ts'
import { KEYWORDS, lacking, type Reading } from './keywords.ts'
import { isWithin, numberTerm } from './numbers.ts'

/** A schema of more alternatives is refused. */
const MAX_ALTERNATIVES = 4096

export class SchemaReader {
  private readonly read = new Map<Located, Reading>()
  private readonly open = new Set<Located>()
  private readonly joined = new Map<string, Reading>()

  constructor(
    readonly document: SchemaDocument,
    readonly json: JsonText,
  ) {}

  /** What all of some schemas allow. */
  alternatives(schemas: Conjunction): Reading {
    const key = keyOf(schemas)
    let joined = this.joined.get(key)
    if (!joined) {
      joined = schemas.reduce((all, schema) => this.both(all, this.of(schema)), ANY)
      this.joined.set(key, joined)
    }
    return joined
  }

  private of(located: Located): Reading {
    const known = this.read.get(located)
    if (known) return known
    if (this.open.has(located)) {
      throw unenforceable(located.path || 'root', 'it refers to itself with nothing in between')
    }
    this.open.add(located)
    const found = this.readSchema(located)
    this.open.delete(located)
    this.read.set(located, found)
    return found
  }

  private readSchema(located: Located): Reading {
    const { schema, negated } = located
    if (typeof schema === 'boolean') return schema ? ANY : []
    return negated ? this.refused(located, schema) : this.allowed(located, schema)
  }

  private allowed(located: Located, schema: SchemaObject): Reading {
    if (schema.$ref !== undefined && located.resource.refAlone) {
      return this.of(this.document.resolve(located, schema.$ref))
    }
    let all: Reading = ANY
    for (const keyword of Object.keys(schema)) all = this.both(all, this.keyword(located, keyword, schema[keyword]))
    return this.unevaluated(located, schema, all)
  }

  private keyword(at: Located, keyword: string, value: unknown): Reading {
    const rule = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined
    if (rule) return rule.read(at, value, this)
    const { document } = this
    switch (keyword) {
      case '$ref':
        return this.of(document.resolve(at, value))
      case 'allOf':
        return this.list(at, keyword).reduce((all, part) => this.both(all, this.of(part)), ANY)
      case 'anyOf':
        return this.limited(this.list(at, keyword).flatMap((part) => this.of(part)))
      case 'oneOf':
        return this.oneOf(at)
      case 'not':
        return this.of(document.not(document.below(at, 'not'))).map(unevaluating)
      case 'if':
        return this.conditional(at)
      case 'dependentRequired':
      case 'dependentSchemas':
      case 'dependencies':
        return this.dependencies(at, keyword, value)
      case '$dynamicRef':
      case '$recursiveRef':
        throw unenforceable(`${at.path}/${keyword}`, 'what it refers to depends on the way to it; write $ref')
      default:
        return ANY
    }
  }

  private list(at: Located, keyword: string): Located[] {
    const value = (at.schema as SchemaObject)[keyword]
    if (!Array.isArray(value) || value.length === 0) throw malformed(`${at.path}/${keyword}`, 'is no list of schemas')
    return value.map((_, i) => this.document.below(at, keyword, i))
  }

  private both(a: Reading, b: Reading): Reading {
    if (a === ANY) return b
    if (b === ANY) return a
    const found: Alternative[] = []
    for (const left of a) {
      for (const right of b) {
        const shared = this.intersection(left, right)
        if (shared) found.push(shared)
      }
    }
    return this.limited(found)
  }

  private intersection(a: Alternative, b: Alternative): Alternative | undefined {
    return intersect(
      a,
      b,
      (value, alternative) => this.matches(value, alternative),
      (left, right) => this.json.terms.and([left, right]),
    )
  }

  private limited(alternatives: readonly Alternative[]): Reading {
    const all = [...new Set(alternatives)]
    if (all.length <= MAX_ALTERNATIVES) return all
    throw new GrammarError('SCHEMA_COMPLEX', `The schema has more than ${MAX_ALTERNATIVES} alternatives in one place.`)
  }

  /** Exactly one of several: where two can both hold, each without the other. */
  private oneOf(at: Located): Reading {
    const parts = this.list(at, 'oneOf')
    const overlapping = parts.map((part, i) =>
      parts.filter((other, j) => j !== i && this.maySatisfy(conjunction([part, other]), 3)),
    )
    return this.limited(
      parts.flatMap((part, i) =>
        overlapping[i]!.reduce<Reading>(
          (all, other) => this.both(all, this.of(this.document.not(other))),
          this.of(part),
        ),
      ),
    )
  }

  private conditional(at: Located): Reading {
    const { document } = this
    const schema = at.schema as SchemaObject
    const condition = document.below(at, 'if')
    const branch = (keyword: string, when: Located): Reading =>
      schema[keyword] === undefined ? this.of(when) : this.both(this.of(when), this.of(document.below(at, keyword)))
    if (schema.then === undefined && schema.else === undefined) return ANY
    return this.limited([...branch('then', condition), ...branch('else', document.not(condition))])
  }

  private dependencies(at: Located, keyword: string, value: unknown): Reading {
    if (!isObject(value)) throw malformed(`${at.path}/${keyword}`, 'is no object')
    let all: Reading = ANY
    for (const [name, dependent] of Object.entries(value)) {
      const others = ANY.filter(({ type }) => type !== 'object')
      const absent: Alternative = { ...ANY_OBJECT, facets: [lacking(name, this.document)] }
      const present: Alternative = { ...ANY_OBJECT, required: new Set([name]) }
      const then: Reading = Array.isArray(dependent)
        ? [{ ...ANY_OBJECT, required: new Set(dependent as string[]) }]
        : this.of(this.document.below(at, keyword, name))
      all = this.both(all, [...others, ...this.both([present], then), absent])
    }
    return all
  }

  /** What `unevaluatedProperties` and `unevaluatedItems` say of what nothing else spoke of. */
  private unevaluated(at: Located, schema: SchemaObject, all: Reading): Reading {
    const { unevaluatedProperties, unevaluatedItems } = schema
    let found = all
    if (unevaluatedProperties !== undefined) {
      const rest = this.document.below(at, 'unevaluatedProperties')
      found = found.map((each) => (each.type === 'object' ? this.withRest(each, rest) : each))
    }
    if (unevaluatedItems !== undefined) {
      const rest = this.document.below(at, 'unevaluatedItems')
      found = found.map((each) => (each.type === 'array' ? withRestItems(at, each, rest) : each))
    }
    return found
  }

  private withRest(alternative: ObjectAlternative, rest: Located): Alternative {
    const facets = alternative.facets.filter(({ negative }) => !negative)
    if (facets.some(({ additional }) => additional !== undefined)) return alternative
    const { always } = this.document
    const facet: PropertyFacet = {
      properties: new Map(facets.flatMap(({ properties }) => [...properties.keys()].map((name) => [name, always]))),
      patterns: facets.flatMap(({ patterns }) => patterns.map((pattern) => ({ ...pattern, schema: always }))),
      additional: rest,
    }
    return { ...alternative, facets: [...alternative.facets, facet] }
  }

  /** All that a schema refuses: what one of its keywords refuses. */
  private refused(at: Located, schema: SchemaObject): Reading {
    const { document } = this
    const found: Alternative[] = []
    const direct = { ...at, negated: false }
    for (const [keyword, value] of Object.entries(schema)) {
      const rule = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined
      const path = `${at.path}/${keyword}`
      if (rule) {
        if (rule.refuse) found.push(...rule.refuse(direct, value, this))
        else if (rule.read(direct, value, this) !== ANY) {
          throw unenforceable(path, 'it stands below a not, an if or an overlapping oneOf')
        }
      } else if (keyword === '$ref') found.push(...this.of(document.not(document.resolve(direct, value))))
      else if (keyword === 'allOf') {
        found.push(...this.list(direct, keyword).flatMap((part) => this.of(document.not(part))))
      } else if (keyword === 'anyOf') {
        const none = this.list(direct, keyword).map((part) => this.of(document.not(part)))
        found.push(...none.reduce<Reading>((all, part) => this.both(all, part), ANY))
      } else if (keyword === 'not') found.push(...this.of(document.below(direct, 'not')))
      else if (/^(oneOf|if|then|else|depend|unevaluated|\$dynamic|\$recursive)/.test(keyword)) {
        throw unenforceable(path, 'it stands below a not, an if or an overlapping oneOf')
      }
    }
    return this.limited(found)
  }

  /**
   * Whether some schemas may have a value in common: looks `depth` properties deep, and says yes where it does not know.
   */
  maySatisfy(schemas: Conjunction, depth: number): boolean {
    return this.alternatives(schemas).some((alternative) => this.mayHold(alternative, depth))
  }

  private mayHold(alternative: Alternative, depth: number): boolean {
    switch (alternative.type) {
      case 'string':
        return !alternative.content || this.json.terms.isAlive(this.json.content(alternative))
      case 'number':
        return this.json.terms.isAlive(numberTerm(this.json, alternative))
      case 'object':
        if (depth === 0) return true
        return [...alternative.required].every((name) =>
          this.maySatisfy(this.propertySchemas(alternative, name), depth - 1),
        )
      case 'array': {
        if (depth === 0) return true
        const first = Array.from({ length: Math.min(alternative.min, 8) }, (_, i) => i)
        return first.every((i) => this.maySatisfy(itemSchemas(alternative, i), depth - 1))
      }
      default:
        return true
    }
  }

  /** All that holds of a property. */
  propertySchemas({ facets, names }: ObjectAlternative, name: string): Conjunction {
    if (names.length > 0 && !this.accepts(names, name)) return [this.document.never]
    return conjunction(facets.flatMap((facet) => this.facetSchemas(facet, name)))
  }

  private facetSchemas({ properties, patterns, additional }: PropertyFacet, name: string): Located[] {
    const own = properties.get(name)
    const found = own ? [own] : []
    const text = this.json.textOf(name)
    for (const { term, schema } of patterns) if (this.json.terms.matches(term, text)) found.push(schema)
    return found.length > 0 ? found : additional ? [additional] : []
  }

  /** Whether a value is valid. */
  accepts(schemas: Conjunction, value: unknown): boolean {
    return this.alternatives(schemas).some((alternative) => this.matches(value, alternative))
  }

  private matches(value: unknown, alternative: Alternative): boolean {
    switch (alternative.type) {
      case 'values':
        return alternative.values.some((other) => canonical(other) === canonical(value))
      case 'number':
        return typeof value === 'number' && isWithin(value, alternative)
      case 'string': {
        if (typeof value !== 'string') return false
        const { content, min, max } = alternative
        const { length } = [...value]
        return length >= min && length <= max && (!content || this.json.terms.matches(content, this.json.textOf(value)))
      }
      case 'array':
        return Array.isArray(value) && this.matchesArray(value, alternative)
      case 'object': {
        if (!isObject(value)) return false
        const names = Object.keys(value)
        const { required, min, max } = alternative
        if (names.length < min || names.length > max) return false
        if (![...required].every((name) => Object.hasOwn(value, name))) return false
        return names.every((name) => this.accepts(this.propertySchemas(alternative, name), value[name]))
      }
    }
  }

  private matchesArray(items: readonly unknown[], alternative: ArrayAlternative): boolean {
    const { min, max, contains, unique } = alternative
    if (items.length < min || items.length > max) return false
    if (unique && new Set(items.map(canonical)).size < items.length) return false
    if (!items.every((item, i) => this.accepts(itemSchemas(alternative, i), item))) return false
    return contains.every(({ schema, min: least, max: most }) => {
      const { length } = items.filter((item) => this.accepts([schema], item))
      return length >= least && length <= most
    })
  }
}

/** What a `not` says evaluates no item and no property. */
function unevaluating(alternative: Alternative): Alternative {
  if (alternative.type === 'array') {
    return { ...alternative, facets: alternative.facets.map((facet) => ({ ...facet, negative: true as const })) }
  }
  if (alternative.type !== 'object') return alternative
  return { ...alternative, facets: alternative.facets.map((facet) => ({ ...facet, negative: true as const })) }
}

/** All that holds of the item at an index. */
export function itemSchemas({ facets }: ArrayAlternative, index: number): Conjunction {
  return conjunction(facets.flatMap(({ prefix, items }) => prefix[index] ?? items ?? []))
}

function withRestItems(at: Located, alternative: ArrayAlternative, rest: Located): Alternative {
  if (alternative.contains.length > 0) {
    throw unenforceable(`${at.path}/unevaluatedItems`, 'which items are evaluated depends on contains')
  }
  const facets = alternative.facets.filter(({ negative }) => !negative)
  if (facets.some(({ items }) => items !== undefined)) return alternative
  const longest = facets.map(({ prefix }) => prefix).sort((a, b) => b.length - a.length)[0] ?? []
  return { ...alternative, facets: [...alternative.facets, { prefix: longest, items: rest }] }
}
