/** Makes the grammar of a JSON Schema. Properties come in the order in which the schema names them, others after them. */

import type { Expressions, GrammarExpression, GrammarRule } from '../expressions.ts'
import type { JsonText } from '../json-text.ts'
import type { Term } from '../terms.ts'
import { conjunction } from './alternatives.ts'
import { SchemaDocument } from './document.ts'
import {
  type ArrayForm,
  type ArrayPlace,
  arrayStart,
  canEndArray,
  canEndObject,
  type Form,
  fits,
  itemChoices,
  type Left,
  leftOf,
  type ObjectForm,
  type ObjectPlace,
  objectStart,
  Plan,
  type SchemaNode,
} from './plan.ts'
import { SchemaReader } from './reader.ts'

/**
 * The expression of a schema's values.
 *
 * @throws GrammarError for a schema that is malformed, cannot be enforced, or that no value fits
 */
export function schemaExpression(schema: unknown, expressions: Expressions, json: JsonText): GrammarExpression {
  const document = new SchemaDocument(schema)
  const plan = new Plan(new SchemaReader(document, json), json)
  return new Emitter(expressions, json).value(plan.root(conjunction([document.root])))
}

class Emitter {
  private readonly open: GrammarExpression
  private readonly comma: GrammarExpression
  private readonly blank: GrammarExpression
  private readonly left = new Map<ObjectForm, Left>()
  private readonly schema: number

  constructor(
    private readonly expressions: Expressions,
    private readonly json: JsonText,
  ) {
    this.schema = expressions.nextSchema()
    // All sets of bytes are known before the first text is read.
    this.blank = expressions.term(json.blank)
    this.open = this.mark('[')
    this.comma = this.mark(',')
    for (const mark of '{}]') this.mark(mark)
  }

  /** A value, without blanks around it. */
  value(node: SchemaNode): GrammarExpression {
    // A value of one term needs no rule.
    const [form] = node.forms
    if (node.forms.length === 1 && 'term' in form!) return this.expressions.term(form.term)
    return this.expressions.reference(this.ruleOf(node))
  }

  private ruleOf(node: SchemaNode): GrammarRule {
    if (!node.rule) {
      const rule = this.expressions.rule(`value ${node.id}`)
      node.rule = rule
      try {
        rule.body = this.expressions.choice(node.forms.filter(fits).map((form) => this.formOf(form)))
      } catch (error) {
        // A rule without its body would allow nothing at all for a value.
        delete node.rule
        throw error
      }
    }
    return node.rule
  }

  private formOf(form: Form): GrammarExpression {
    if ('term' in form) return this.expressions.term(form.term)
    const { expressions } = this
    return 'array' in form
      ? expressions.sequence([this.open, this.items(form, arrayStart()), this.end(']')])
      : expressions.sequence([this.mark('{'), this.members(form, objectStart(form)), this.end('}')])
  }

  /** A mark, and blanks after it. */
  private mark(text: string): GrammarExpression {
    return this.expressions.term(this.json.terms.sequence([this.json.literal(text), this.json.blank]))
  }

  private end(text: string): GrammarExpression {
    return this.expressions.term(this.json.literal(text))
  }

  private spaced(node: SchemaNode): GrammarExpression {
    return this.expressions.sequence([this.value(node), this.blank])
  }

  /** The items from a place on, with the blanks after them. */
  private items(form: ArrayForm, place: ArrayPlace): GrammarExpression {
    const { min, max, contains } = form.array
    const { index, counted } = place
    if (index > 0 && index >= form.prefix.length && contains.length === 0 && !form.values) {
      if (!form.rest.satisfiable) return this.expressions.empty
      const item = this.expressions.sequence([this.comma, this.spaced(form.rest)])
      return this.expressions.repeat(item, Math.max(min - index, 0), max - index)
    }
    const whole = index >= min && contains.every((each) => counted >= each.min)
    const more = index < max && this.nextItems(form, place).length > 0
    // Where nothing is counted any more, one place after the listed items is as the next.
    const settled = max === Number.POSITIVE_INFINITY && index > Math.max(min, form.prefix.length, 1)
    const key = `${this.schema} array ${form.id} ${settled ? 'rest' : index} ${counted} ${place.used}`
    const next = () =>
      this.nextItems(form, place).map(({ first, next: after }) =>
        this.expressions.sequence([first(), this.items(form, after)]),
      )
    return this.choice(key, whole, more, index > 0, next)
  }

  private nextItems(
    form: ArrayForm,
    { index, counted, used }: ArrayPlace,
  ): { first: () => GrammarExpression; next: ArrayPlace }[] {
    const { array, values } = form
    const next = { index: index + 1, counted, used }
    if (values) {
      const left = Array.from(values.entries()).filter(([i]) => !((used >> BigInt(i)) & 1n))
      return left.map(([i, value]) => ({
        first: () => this.expressions.sequence([this.expressions.term(value), this.blank]),
        next: { ...next, used: used | (1n << BigInt(i)) },
      }))
    }
    const [contained] = array.contains
    const { min = 0, max = 0 } = contained ?? {}
    const most = max < Number.POSITIVE_INFINITY ? max : min
    return itemChoices(form, index).flatMap(({ node, counts }) => {
      const after = counts ? { ...next, counted: Math.min(counted + 1, most) } : next
      if (!node.satisfiable || (counts && counted >= max) || !canEndArray(form, after)) return []
      return { first: () => this.spaced(node), next: after }
    })
  }

  /** The members from a place on, with the blanks after them. */
  private members(form: ObjectForm, place: ObjectPlace): GrammarExpression {
    const { index, count, missing } = place
    const { required, possible } = this.leftIn(form)
    const whole = count >= form.object.min && missing.length === 0 && required[index] === 0
    // Where the object is not whole, something can follow; where it is, anything that there is.
    const any = possible[index]! > 0 || missing.length > 0 || form.others.some(({ value }) => value.satisfiable)
    const more = !whole || (any && count < form.object.max)
    const key = `${this.schema} object ${form.id} ${index} ${count} ${missing.map(({ name }) => JSON.stringify(name))}`
    return this.choice(key, whole, more, count > 0, () => this.nextMembers(form, place))
  }

  private leftIn(form: ObjectForm): Left {
    let left = this.left.get(form)
    if (!left) {
      left = leftOf(form)
      this.left.set(form, left)
    }
    return left
  }

  private nextMembers(form: ObjectForm, place: ObjectPlace): GrammarExpression[] {
    const { named, others, object } = form
    const { index, missing } = place
    // Counts beyond the bounds need not be told apart.
    const most = object.max < Number.POSITIVE_INFINITY ? object.max : Math.max(object.min, 1)
    const count = Math.min(place.count + 1, most)
    const next: GrammarExpression[] = []
    const add = (key: Term, value: SchemaNode, after: ObjectPlace) => {
      if (!value.satisfiable || !canEndObject(form, after, this.leftIn(form))) return
      const parts = [this.expressions.term(key), this.spaced(value), this.members(form, after)]
      next.push(this.expressions.sequence(parts))
    }
    for (let i = index; i < named.length; i++) {
      const { key, required, value } = named[i]!
      add(key, value, { index: i + 1, count, missing })
      if (required) return next
    }
    // Once all that is required has come, others may stand between those that are listed.
    for (const property of missing) {
      add(property.key, property.value, { index, count, missing: missing.filter((other) => other !== property) })
    }
    for (const { key, value } of others) add(key, value, { index, count, missing })
    return next
  }

  /** The end, where the value is whole, or more, which is made where it is reached. */
  private choice(
    key: string,
    whole: boolean,
    more: boolean,
    comma: boolean,
    next: () => GrammarExpression[],
  ): GrammarExpression {
    const { expressions } = this
    const options = whole ? [expressions.empty] : []
    if (more) {
      const following = expressions.lazy(key, () => expressions.choice(next()))
      options.push(comma ? expressions.sequence([this.comma, following]) : following)
    }
    return expressions.choice(options)
  }
}
