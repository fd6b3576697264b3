/** Random JSON Schemas, of all that can be enforced and some that cannot. */
import type { Draws } from './random-draws.ts'

const NAMES = ['a', 'b', 'name', 'x-y', 'é', 'c"d']
const PATTERNS = ['^a', 'b$', '^[a-z]+$', '[0-9]{2}', '^(x|yz)*$', 'é', '"', '^.{2,4}$', '^(?!ab)[a-c]*$']
const VALUES = [1, 'a', null, true, 'é"\\', [1, 2], { a: 1 }, -0.5, 'b']

/** A schema that is nested a few times at most. */
export function randomSchema({ count, pick, often }: Draws): object {
  const leaves: Record<string, () => object> = {
    string: () => ({
      type: 'string',
      ...(often(0.3) && { minLength: count(0, 3) }),
      ...(often(0.4) && { maxLength: count(3, 8) }),
      ...(often(0.4) && { pattern: pick(PATTERNS) }),
    }),
    number: () => ({
      type: pick(['number', 'integer']),
      ...(often(0.4) && { minimum: pick([-100.5, -3, 0, 0.001, 1.25, 7, 1000]) }),
      ...(often(0.4) && { maximum: pick([-2, 0, 0.5, 3.75, 99, 12345.678, 1e21]) }),
      ...(often(0.2) && { exclusiveMinimum: pick([-5, 0, 2.5]) }),
      ...(often(0.2) && { exclusiveMaximum: pick([0, 1, 10.01]) }),
      ...(often(0.2) && { multipleOf: pick([2, 3, 7, 0.5, 0.25, 10]) }),
    }),
    simple: () => ({ type: pick(['boolean', 'null']) }),
    enum: () => ({ enum: [pick(['z', 5]), ...VALUES.filter(() => often(0.5))] }),
    const: () => ({ const: pick([1, 'a', null, [], { x: [1] }, 'long text']) }),
  }
  const branches: Record<string, (inner: () => object) => object> = {
    object: (inner) => ({
      type: 'object',
      properties: Object.fromEntries(NAMES.filter(() => often(0.4)).map((name) => [name, inner()])),
      ...(often(0.5) && { required: NAMES.filter(() => often(0.25)) }),
      ...(often(0.5) && { additionalProperties: often(0.6) ? false : inner() }),
      ...(often(0.2) && { patternProperties: { [pick(['^a', 'e$', '^x-'])]: inner() } }),
      ...(often(0.2) && { maxProperties: count(0, 4) }),
      ...(often(0.2) && { minProperties: count(0, 2) }),
      ...(often(0.1) && { propertyNames: pick([{ maxLength: 3 }, { pattern: '^[a-z]' }, { enum: ['a', 'b', 'zz'] }]) }),
      ...(often(0.1) && { dependentRequired: { a: ['b'] } }),
    }),
    array: (inner) => ({
      type: 'array',
      ...(often(0.7) && { items: inner() }),
      ...(often(0.3) && { prefixItems: [inner(), inner()] }),
      ...(often(0.3) && { minItems: count(0, 2) }),
      ...(often(0.5) && { maxItems: count(1, 4) }),
      ...(often(0.2) && { contains: inner() }),
    }),
    unique: () => ({ type: 'array', items: { enum: ['a', 'b', 1] }, uniqueItems: true }),
    anyOf: (inner) => ({ anyOf: [inner(), inner()] }),
    oneOf: (inner) => ({ oneOf: [inner(), inner()] }),
    allOf: (inner) => ({ allOf: [inner(), inner()] }),
    not: (inner) => ({ ...inner(), not: inner() }),
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    if: (inner) => ({ if: inner(), then: inner(), else: inner() }),
    any: () => ({}),
  }
  const schemaOf = (depth: number): object => {
    const kinds = depth > 0 && often(0.7) ? Object.values(branches) : Object.values(leaves)
    return pick(kinds)(() => schemaOf(depth - 1))
  }
  return schemaOf(count(0, 3))
}
