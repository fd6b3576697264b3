/** A JSON Schema with all that it refers to: where each subschema lies, and what each `$ref` means. */

import { GrammarError } from '../../errors.ts'

export type SchemaObject = { readonly [keyword: string]: unknown }

/** A schema at its place, or all that it refuses. One object for each. */
export interface Located {
  readonly id: number
  readonly schema: boolean | SchemaObject
  readonly negated: boolean
  /** JSON Pointer from the document's root. */
  readonly path: string
  readonly resource: Resource
}

/** A document or a part with an `$id` of its own, from which pointers are counted. */
interface Resource {
  readonly uri: string
  readonly root: unknown
  readonly path: string
  /** Before draft 2019-09 nothing beside `$ref` counts. */
  readonly refAlone: boolean
}

const ROOT = 'schema:/root'
const OLD_DRAFT = /draft-0[3-7]/
/** Under these no schema stands. */
const DATA = new Set(['enum', 'const', 'default', 'examples', 'example'])

export class SchemaDocument {
  readonly root: Located
  readonly always: Located
  readonly never: Located
  private readonly located = new Map<string, Located>()
  private readonly resources = new Map<string, Resource>()
  private readonly anchors = new Map<string, { schema: unknown; path: string; resource: Resource }>()
  private readonly paths = new Map<object, string>()

  constructor(root: unknown) {
    const resource = { uri: ROOT, root, path: '', refAlone: isOld(root) }
    this.resources.set(ROOT, resource)
    this.index(root, '', resource)
    this.always = this.at(true, '', resource)
    this.never = this.at(false, '', resource)
    const base = this.resources.get(uriOf(root, ROOT)) ?? resource
    this.root = this.at(root, '', base)
  }

  /** @throws GrammarError for what is neither an object nor a boolean */
  at(schema: unknown, path: string, resource: Resource): Located {
    if (typeof schema !== 'boolean' && !isObject(schema)) {
      throw malformed(path, 'is no schema: an object or a boolean is expected')
    }
    return this.intern(schema, false, path, resource)
  }

  /** A subschema. */
  below(parent: Located, keyword: string, ...keys: (string | number)[]): Located {
    let value = (parent.schema as SchemaObject)[keyword]
    for (const key of keys) value = (value as Record<string | number, unknown>)[key]
    const path = [parent.path, keyword, ...keys.map((key) => escaped(String(key)))].join('/')
    const uri = uriOf(value, parent.resource.uri)
    return this.at(value, path, this.resources.get(uri) ?? parent.resource)
  }

  not(located: Located): Located {
    const { schema, negated, path, resource } = located
    return this.intern(schema, !negated, path, resource)
  }

  private intern(schema: boolean | SchemaObject, negated: boolean, path: string, resource: Resource): Located {
    if (typeof schema === 'boolean' && negated) return this.intern(!schema, false, path, resource)
    const own = typeof schema === 'boolean' ? `${schema}` : (leafKey(schema, resource) ?? this.pathOf(schema, path))
    const key = `${own} ${negated}`
    let located = this.located.get(key)
    if (!located) {
      located = { id: this.located.size, schema, negated, path, resource }
      this.located.set(key, located)
    }
    return located
  }

  private pathOf(schema: object, path: string): string {
    const known = this.paths.get(schema)
    if (known !== undefined) return known
    this.paths.set(schema, path)
    return path
  }

  /** Notes resources and anchors. */
  private index(value: unknown, path: string, resource: Resource): void {
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) this.index(item, `${path}/${i}`, resource)
    }
    if (!isObject(value)) return
    let inside = resource
    const uri = uriOf(value, resource.uri)
    if (uri !== resource.uri) {
      inside = { uri, root: value, path, refAlone: isOld(value) || resource.refAlone }
      this.resources.set(uri, inside)
    }
    for (const anchor of [value.$anchor, value.$dynamicAnchor, oldAnchor(value)]) {
      if (typeof anchor === 'string') {
        this.anchors.set(`${inside.uri}#${anchor}`, { schema: value, path, resource: inside })
      }
    }
    for (const [key, item] of Object.entries(value)) {
      if (!DATA.has(key)) this.index(item, `${path}/${escaped(key)}`, inside)
    }
  }

  /** @throws GrammarError for a reference to what is not in the document */
  resolve(from: Located, reference: unknown): Located {
    if (typeof reference !== 'string') throw malformed(`${from.path}/$ref`, 'is no text')
    const hash = reference.indexOf('#')
    const [address, fragment] =
      hash < 0 ? [reference, ''] : [reference.slice(0, hash), decode(reference.slice(hash + 1))]
    const uri = address === '' ? from.resource.uri : absolute(address, from.resource.uri)
    const resource = this.resources.get(uri)
    const missing = () =>
      new GrammarError(
        'SCHEMA_REFERENCE',
        `${from.path || 'The schema'} refers to ${reference}, which is not in this document: references to others are not followed.`,
        reference,
      )
    if (!resource) throw missing()
    if (fragment === '') return this.at(resource.root, resource.path, resource)
    if (!fragment.startsWith('/')) {
      const anchor = this.anchors.get(`${uri}#${fragment}`)
      if (!anchor) throw missing()
      return this.at(anchor.schema, anchor.path, anchor.resource)
    }
    let value = resource.root
    let inside = resource
    for (const step of fragment.slice(1).split('/')) {
      const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) throw missing()
      value = (value as Record<string, unknown>)[key]
      inside = this.resources.get(uriOf(value, inside.uri)) ?? inside
    }
    return this.at(value, resource.path + fragment, inside)
  }
}

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function malformed(path: string, what: string): GrammarError {
  return new GrammarError('SCHEMA_SYNTAX', `The JSON Schema${path && `’s ${path}`} ${what}.`, path)
}

export function unenforceable(path: string, why: string): GrammarError {
  return new GrammarError('SCHEMA_UNSUPPORTED', `The JSON Schema’s ${path} cannot be enforced: ${why}.`, path)
}

function isOld(value: unknown): boolean {
  return isObject(value) && typeof value.$schema === 'string' && OLD_DRAFT.test(value.$schema)
}

/** Schemas without others below them are the same wherever they stand; undefined for those that have some, or references. */
function leafKey(schema: SchemaObject, { uri }: Resource): string | undefined {
  const isPlain = (value: unknown): boolean => typeof value !== 'object' || value === null
  const isLeaf = Object.entries(schema).every(
    ([key, value]) => !key.startsWith('$') && (isPlain(value) || (Array.isArray(value) && value.every(isPlain))),
  )
  return isLeaf ? `${JSON.stringify(schema)} ${uri}` : undefined
}

/** The address of a schema: its own, or that of what it lies in. */
function uriOf(value: unknown, base: string): string {
  if (!isObject(value)) return base
  const id = value.$id ?? value.id
  // `id` is a property's name as often as it is draft 4's keyword, and #name is an anchor.
  if (typeof id !== 'string' || id.startsWith('#') || id === '') return base
  return absolute(id.replace(/#$/, ''), base)
}

function oldAnchor(value: SchemaObject): unknown {
  const id = value.$id ?? value.id
  return typeof id === 'string' && /^#[^/]/.test(id) ? id.slice(1) : undefined
}

function absolute(uri: string, base: string): string {
  return URL.canParse(uri, base) ? new URL(uri, base).href : uri
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

function decode(fragment: string): string {
  try {
    return decodeURIComponent(fragment)
  } catch {
    // A % that is none of an escape stands for itself.
    return fragment
  }
}
