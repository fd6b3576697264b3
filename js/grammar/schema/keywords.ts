/** What each keyword of a schema allows, and what it refuses. Source: JSON Schema 2020-12, and drafts 4 to 2019-09. */

import type { JsonText } from '../json-text.ts'
import { patternTerm } from '../pattern.ts'
import type { Term } from '../terms.ts'
import {
  type Alternative,
  ANY,
  ANY_ARRAY,
  ANY_OBJECT,
  ANY_STRING,
  type ArrayAlternative,
  type Contains,
  type ObjectAlternative,
  OF_TYPE,
  type PropertyFacet,
} from './alternatives.ts'
import { isObject, type Located, malformed, type SchemaDocument, type SchemaObject, unenforceable } from './document.ts'
import { formatPattern } from './formats.ts'
import { ANY_NUMBER, type NumberLimits } from './numbers.ts'

/** What one or several keywords allow, or all that they refuse. */
export type Reading = readonly Alternative[]

interface SchemaContext {
  readonly document: SchemaDocument
  readonly json: JsonText
}

const TYPES = Object.keys(OF_TYPE)
/** Of the formats of OpenAPI's numbers; the last double below the end. */
const INT_RANGES: Record<string, [number, number]> = {
  int32: [-2147483648, 2147483647],
  int64: [-0x8000000000000000, 0x7ffffffffffffc00],
}

type KeywordReader = (at: Located, value: unknown, context: SchemaContext) => Reading

/** Others than those of one type pass. */
function except(type: Alternative['type'], alternatives: readonly Alternative[]): Reading {
  return [...ANY.filter((other) => other.type !== type), ...alternatives]
}

function limits(more: Partial<NumberLimits>): Alternative {
  return { type: 'number', ...ANY_NUMBER, ...more }
}

function strings(more: { content?: Term; min?: number; max?: number }): Alternative {
  return { ...ANY_STRING, ...more }
}

function arrays(more: Partial<ArrayAlternative>): Alternative {
  return { ...ANY_ARRAY, ...more }
}

function objects(more: Partial<ObjectAlternative>): Alternative {
  return { ...ANY_OBJECT, ...more }
}

function facet(more: Partial<PropertyFacet>): PropertyFacet {
  return { properties: new Map(), patterns: [], additional: undefined, ...more }
}

function pathTo({ path }: Located, keyword: string): string {
  return `${path}/${keyword}`
}

function numberOf(at: Located, keyword: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed(pathTo(at, keyword), 'is no number')
  return value
}

function countOf(at: Located, keyword: string, value: unknown): number {
  const count = numberOf(at, keyword, value)
  if (!Number.isInteger(count) || count < 0) throw malformed(pathTo(at, keyword), 'is no whole number from 0 on')
  return count
}

function namesOf(at: Located, keyword: string, value: unknown): string[] {
  if (!Array.isArray(value) || value.some((name) => typeof name !== 'string')) {
    throw malformed(pathTo(at, keyword), 'is no list of names')
  }
  return value
}

function schemasOf(at: Located, keyword: string, value: unknown, { document }: SchemaContext): Located[] {
  if (!Array.isArray(value)) throw malformed(pathTo(at, keyword), 'is no list of schemas')
  return value.map((_, i) => document.below(at, keyword, i))
}

function mapOf(at: Located, keyword: string, value: unknown): [string, unknown][] {
  if (!isObject(value)) throw malformed(pathTo(at, keyword), 'is no object')
  return Object.entries(value)
}

function beside(at: Located, keyword: string): unknown {
  return (at.schema as SchemaObject)[keyword]
}

function typesOf(at: Located, value: unknown): Alternative[] {
  const types = (Array.isArray(value) ? value : [value]) as string[]
  return types.map((type) => {
    if (!TYPES.includes(type)) throw malformed(pathTo(at, 'type'), `names ${JSON.stringify(type)}, which is no type`)
    return OF_TYPE[type]!
  })
}

function contentOf(at: Located, value: unknown, { json }: SchemaContext): Term {
  if (typeof value !== 'string') throw malformed(pathTo(at, 'pattern'), 'is no text')
  return patternTerm(value, json)
}

function formatOf(value: unknown, { json }: SchemaContext): Term | undefined {
  const pattern = typeof value === 'string' ? formatPattern(value) : undefined
  return pattern === undefined ? undefined : patternTerm(pattern, json, true)
}

function divisorOf(at: Located, value: unknown): number {
  const divisor = numberOf(at, 'multipleOf', value)
  if (divisor <= 0) throw malformed(pathTo(at, 'multipleOf'), 'is not above 0')
  if (divisor > Number.MAX_SAFE_INTEGER || divisor < 1e-15) {
    throw unenforceable(pathTo(at, 'multipleOf'), 'it has too many digits')
  }
  return divisor
}

/** min and max of `minLength` and its like, with what they mean where they are not. */
function length(keyword: string, type: 'string' | 'array' | 'object', which: 'min' | 'max'): KeywordRule {
  const base = OF_TYPE[type]!
  return {
    read: (at, value) => except(type, [{ ...base, [which]: countOf(at, keyword, value) } as Alternative]),
    refuse(at, value) {
      const count = countOf(at, keyword, value)
      const range = which === 'max' ? { min: count + 1 } : { max: count - 1 }
      return which === 'min' && count === 0 ? [] : [{ ...base, ...range } as Alternative]
    },
  }
}

function bound(keyword: 'minimum' | 'maximum' | 'exclusiveMinimum' | 'exclusiveMaximum'): KeywordRule {
  const which = keyword.endsWith('inimum') ? 'min' : 'max'
  const own = keyword.startsWith('exclusive')
  const read = (at: Located, value: unknown) => {
    // In draft 4, exclusiveMinimum is a flag of minimum.
    if (own && typeof value === 'boolean') return undefined
    const flag = which === 'min' ? 'exclusiveMinimum' : 'exclusiveMaximum'
    return { value: numberOf(at, keyword, value), exclusive: own || beside(at, flag) === true }
  }
  return {
    read: (at, value) => {
      const found = read(at, value)
      return found ? except('number', [limits({ [which]: found })]) : ANY
    },
    refuse(at, value) {
      const found = read(at, value)
      if (!found) return []
      return [limits({ [which === 'min' ? 'max' : 'min']: { value: found.value, exclusive: !found.exclusive } })]
    },
  }
}

/** For keywords whose opposite no grammar can hold. */
function belowNot(keyword: string): KeywordReader {
  return (at) => {
    throw unenforceable(pathTo(at, keyword), 'it stands below a not, an if or an overlapping oneOf')
  }
}

interface KeywordRule {
  /** All that the keyword allows; ANY where it says nothing, or another one speaks for it. */
  readonly read: KeywordReader
  /** All that the keyword refuses; without it, `not` cannot be enforced. */
  readonly refuse?: KeywordReader
}

/** Keywords that speak of the value alone: those that apply other schemas in place are the reader's. */
export const KEYWORDS: Readonly<Record<string, KeywordRule>> = {
  type: {
    read: (at, value) => typesOf(at, value),
    refuse(at, value) {
      const types = new Set(typesOf(at, value))
      const others = ANY.filter((type) => !types.has(type))
      if (!types.has(OF_TYPE.integer!)) return others
      return [...others.filter(({ type }) => type !== 'number'), limits({ fractional: true })]
    },
  },
  enum: {
    read(at, value) {
      if (!Array.isArray(value)) throw malformed(pathTo(at, 'enum'), 'is no list')
      return [{ type: 'values', values: value }]
    },
    refuse: (at, value, context) => without(at, 'enum', value as unknown[], context),
  },
  const: {
    read: (_, value) => [{ type: 'values', values: [value] }],
    refuse: (at, value, context) => without(at, 'const', [value], context),
  },
  minimum: bound('minimum'),
  maximum: bound('maximum'),
  exclusiveMinimum: bound('exclusiveMinimum'),
  exclusiveMaximum: bound('exclusiveMaximum'),
  multipleOf: {
    read: (at, value) => except('number', [limits({ multiples: [divisorOf(at, value)] })]),
    refuse: (at, value) => [limits({ notMultiples: [divisorOf(at, value)] })],
  },
  minLength: length('minLength', 'string', 'min'),
  maxLength: length('maxLength', 'string', 'max'),
  pattern: {
    read: (at, value, context) => except('string', [strings({ content: contentOf(at, value, context) })]),
    refuse: (at, value, context) => {
      const { terms } = context.json
      return [strings({ content: terms.not(contentOf(at, value, context)) })]
    },
  },
  format: {
    read(_, value, context) {
      const content = formatOf(value, context)
      if (content) return except('string', [strings({ content })])
      const range = typeof value === 'string' ? INT_RANGES[value] : undefined
      if (!range) return ANY
      const [min, max] = range.map((end) => ({ value: end, exclusive: false }))
      return except('number', [limits({ min, max })])
    },
    refuse(at, value, context) {
      const content = formatOf(value, context)
      if (!content && typeof value === 'string' && INT_RANGES[value]) {
        throw unenforceable(pathTo(at, 'format'), 'it stands below a not')
      }
      // A format that is not known says nothing, and so refuses nothing.
      if (!content) return []
      return [strings({ content: context.json.terms.not(content) })]
    },
  },
  minItems: length('minItems', 'array', 'min'),
  maxItems: length('maxItems', 'array', 'max'),
  items: {
    read(at, value, context) {
      const { document } = context
      if (!Array.isArray(value)) {
        const prefix = Array.isArray(beside(at, 'prefixItems')) ? prefixOf(at, context) : []
        return except('array', [arrays({ facets: [{ prefix, items: document.below(at, 'items') }] })])
      }
      // Before 2020-12, a list of items is what prefixItems is now.
      const items = beside(at, 'additionalItems') === undefined ? undefined : document.below(at, 'additionalItems')
      return except('array', [arrays({ facets: [{ prefix: schemasOf(at, 'items', value, context), items }] })])
    },
    refuse(at, value, { document }) {
      if (Array.isArray(value) || beside(at, 'prefixItems') !== undefined) {
        throw unenforceable(pathTo(at, 'items'), 'it stands below a not, with items of their own')
      }
      return [arrays({ contains: [atLeastOne(document.not(document.below(at, 'items')))] })]
    },
  },
  prefixItems: {
    read(at, _, context) {
      // With `items` they are one facet.
      if (beside(at, 'items') !== undefined) return ANY
      return except('array', [arrays({ facets: [{ prefix: prefixOf(at, context), items: undefined }] })])
    },
    refuse: belowNot('prefixItems'),
  },
  contains: {
    read(at, _, { document }) {
      const [least, most] = [beside(at, 'minContains'), beside(at, 'maxContains')]
      const min = least === undefined ? 1 : countOf(at, 'minContains', least)
      const max = most === undefined ? Number.POSITIVE_INFINITY : countOf(at, 'maxContains', most)
      if (min === 0 && most === undefined) return ANY
      return except('array', [arrays({ contains: [{ schema: document.below(at, 'contains'), min, max }] })])
    },
    refuse(at, _, { document }) {
      if (beside(at, 'minContains') !== undefined || beside(at, 'maxContains') !== undefined) {
        throw unenforceable(pathTo(at, 'contains'), 'it stands below a not, with a count')
      }
      return [arrays({ facets: [{ prefix: [], items: document.not(document.below(at, 'contains')) }] })]
    },
  },
  uniqueItems: {
    read: (at, value) => (value === true ? except('array', [arrays({ unique: at })]) : ANY),
  },
  properties: {
    read: (at, _, context) => except('object', [objects({ facets: [facetOf(at, context)] })]),
    refuse: (at, value, { document }) =>
      mapOf(at, 'properties', value).map(([name]) => {
        const properties = new Map([[name, document.not(document.below(at, 'properties', name))]])
        return objects({ required: new Set([name]), facets: [facet({ properties, negative: true })] })
      }),
  },
  patternProperties: {
    read: (at, _, context) =>
      beside(at, 'properties') === undefined ? except('object', [objects({ facets: [facetOf(at, context)] })]) : ANY,
    refuse: belowNot('patternProperties'),
  },
  additionalProperties: {
    read: (at, _, context) =>
      beside(at, 'properties') === undefined && beside(at, 'patternProperties') === undefined
        ? except('object', [objects({ facets: [facetOf(at, context)] })])
        : ANY,
    refuse: (at, value, context) => (value === true ? [] : belowNot('additionalProperties')(at, value, context)),
  },
  propertyNames: {
    read: (at, _, { document }) => except('object', [objects({ names: [document.below(at, 'propertyNames')] })]),
  },
  required: {
    read: (at, value) => except('object', [objects({ required: new Set(namesOf(at, 'required', value)) })]),
    refuse: (at, value, { document }) =>
      namesOf(at, 'required', value).map((name) => objects({ facets: [lacking(name, document)] })),
  },
  minProperties: length('minProperties', 'object', 'min'),
  maxProperties: length('maxProperties', 'object', 'max'),
}

function atLeastOne(schema: Located): Contains {
  return { schema, min: 1, max: Number.POSITIVE_INFINITY }
}

function prefixOf(at: Located, context: SchemaContext): Located[] {
  return schemasOf(at, 'prefixItems', beside(at, 'prefixItems'), context)
}

/** Objects without a property. */
export function lacking(name: string, document: SchemaDocument): PropertyFacet {
  return facet({ properties: new Map([[name, document.never]]), negative: true })
}

function facetOf(at: Located, { document, json }: SchemaContext): PropertyFacet {
  const { properties, patternProperties, additionalProperties } = at.schema as SchemaObject
  return {
    properties: new Map(
      mapOf(at, 'properties', properties ?? {}).map(([name]) => [name, document.below(at, 'properties', name)]),
    ),
    patterns: mapOf(at, 'patternProperties', patternProperties ?? {}).map(([source]) => ({
      source,
      term: patternTerm(source, json),
      schema: document.below(at, 'patternProperties', source),
    })),
    additional: additionalProperties === undefined ? undefined : document.below(at, 'additionalProperties'),
  }
}

/** All but some values. */
function without(at: Located, keyword: string, values: readonly unknown[], { json }: SchemaContext): Reading {
  const scalars = values.map((value) => {
    if (typeof value !== 'object' || value === null) return value
    throw unenforceable(pathTo(at, keyword), 'it stands below a not, with an array or an object')
  })
  const numbers = scalars.filter((value) => typeof value === 'number')
  const texts = scalars.filter((value) => typeof value === 'string')
  const kept = [null, true, false].filter((value) => !scalars.includes(value))
  return [
    { type: 'values', values: kept },
    limits({ excluded: numbers }),
    strings(texts.length > 0 ? { content: json.excluding(texts) } : {}),
    ANY_ARRAY,
    ANY_OBJECT,
  ]
}
