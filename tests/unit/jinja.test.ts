/** What js/chat/jinja keeps templates from, and how values of JavaScript's reach them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lacksFilters, provideFilters } from '../../js/chat/jinja/filters.ts'
import { RARE_FILTERS } from '../../js/chat/jinja/rare-filters.ts'
import { readTemplate } from '../../js/chat/jinja/template.ts'
import { Float, JinjaError } from '../../js/chat/jinja/values.ts'

const render = (template: string, variables = {}) => readTemplate(template).render(variables)

function refused(template: string, message: RegExp, variables = {}): void {
  try {
    render(template, variables)
  } catch (error) {
    assert.instance(error, JinjaError, template.slice(0, 80))
    assert.match((error as Error).message, message)
    return
  }
  assert.unreachable(`${template.slice(0, 80)} renders`)
}

const TOO_MUCH = /too many steps|too large|too deeply|too many digits/

test('a template that never ends, or makes too much, ends in an error', () => {
  const grow = (change: string, end = '') =>
    `{% set ns = namespace(x=[1], s='ab', n=3) %}{% for i in range(100) %}{% set ns.${change} %}{% endfor %}${end}`
  for (const template of [
    '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}',
    '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
    '{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}',
    '{% block a %}{{ self.a() }}{% endblock %}',
    "{{ 'x' * 10**9 }}",
    '{{ [1] * 10**9 }}',
    '{{ 7 ** 1000000000 }}',
    "{{ '%1000000000d' % 1 }}{{ '%.1000000000f' % 1.5 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ 'a'.center(10**12) }}",
    "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    '{{ [[1]] | tojson(indent=10**9) }}',
    grow('s = ns.s ~ ns.s'),
    grow('x = ns.x + ns.x'),
    grow('n = ns.n * ns.n'),
    grow('x = [ns.x, ns.x]', '{{ ns.x | tojson }}'),
    grow('x = [ns.x, ns.x]', '{{ ns.x == [[], []] }}{{ ns.x }}'),
    '{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}',
  ]) {
    refused(template, TOO_MUCH)
  }
})

test('a template renders its own blocks, whatever was read since', () => {
  const first = readTemplate('{% block a %}{{ self.b() }}{% endblock %}{% block b %}1{% endblock %}')
  readTemplate('{% block b %}2{% endblock %}')
  assert.is(first.render({}), '11')
})

test('filters that come later are known by their names', () => {
  const names = Object.keys(RARE_FILTERS)
  const uses = names.map((name) => `{{ 5 | ${name} }}`)
  for (const use of uses) {
    assert.ok(lacksFilters(use), use)
    assert.throws(() => render(use), /No filter named/)
  }
  assert.not.ok(lacksFilters("{{ 'x' | upper }}{{ my_urlize }}"))
  provideFilters(RARE_FILTERS)
  assert.is(render('{{ 5 | filesizeformat }}'), '5 Bytes')
  assert.not.ok(uses.some(lacksFilters))
})

test('powers of 0, 1 and −1 are exact, of any exponent', () => {
  const powers =
    '{{ 0**0 }} {{ 0**1 }} {{ 0**2 }} {{ 0**4 }} {{ 0**7 }} {{ 1**4 }} {{ (-1)**4 }} {{ (-1)**7 }} {{ (-1)**(10**18) }} {{ 2**4 }}'
  assert.is(render(powers), '1 0 0 0 0 1 1 -1 1 16')
})

test('a template nested without end is refused when it is read', () => {
  const many = 50_000
  for (const template of [
    `{{ ${'('.repeat(many)}1${')'.repeat(many)} }}`,
    `{{ ${'['.repeat(many)}${']'.repeat(many)} }}`,
    `{{ ${'-'.repeat(many)}1 }}`,
    `{{ ${'not '.repeat(many)}1 }}`,
    `{{ ${'1+'.repeat(many)}1 }}`,
    `{{ a${'|string'.repeat(many)} }}`,
    '{% if 1 %}'.repeat(many) + '{% endif %}'.repeat(many),
  ]) {
    refused(template, TOO_MUCH)
  }
})

test('a huge exponent takes no time', () => {
  assert.is(
    render('{{ 1.0 ** 1e15 }} {{ 1 ** 10000000000000 }} {{ (-1) ** 10000000000001 }} {{ 0.0 ** 1e15 }}'),
    '1.0 1 -1 0.0',
  )
  refused('{{ 3.0 ** 1e15 }}', /power is too large/)
})

test('the sandbox gives nothing of the insides, of Python or of JavaScript', () => {
  for (const name of ['__class__', 'constructor', 'prototype', '__proto__', 'toString', 'hasOwnProperty']) {
    for (const value of ["''", '[]', '{}', '1', '1.5', '(1,)', 'range', 'namespace()', 'loop', 'macro']) {
      const template = `{% macro macro() %}{% endmacro %}{% for i in [1] %}{{ loop and ${value}.${name} is defined }}{{ ${value}['${name}'] is defined }}{% endfor %}`
      assert.is(render(template), 'FalseFalse', `${value}.${name}`)
    }
  }
  assert.is(render('{{ constructor is defined }}{{ d.constructor }}', { d: {} }), 'False')
  refused("{{ 'x' | constructor }}", /No filter named 'constructor'/)
  refused("{{ 'x' is toString }}", /No test named 'toString'/)
  refused('{% set a = l.append(1) %}', /'append' of 'list' object is unsafe/, { l: [] })
})

test('other templates are refused by name', () => {
  for (const [tag, rest] of [
    ['include', "'a'"],
    ['import', "'a' as b"],
    ['from', "'a' import b"],
    ['extends', "'a'"],
  ]) {
    refused(`{% ${tag} ${rest} %}`, new RegExp(`'${tag}' needs other templates`))
  }
})

test('errors have the line', () => {
  for (const [template, line] of [
    ['a\n{{ b.c }}', 2],
    ['{% macro m() %}\n{{ b.c }}\n{% endmacro %}\n{{ m() }}', 2],
    ['{{ 1 }}\n{% if 1 %}\n{{ [1,\n2,\n3] + 1 }}{% endif %}', 5],
    ['\n\n{% for %}', 3],
    ['{# \n\n #}{{ 1 | nothing }}', 3],
  ] as const) {
    try {
      render(template)
      assert.unreachable()
    } catch (error) {
      assert.is((error as JinjaError).line, line, template)
    }
  }
})

test("JavaScript's values: whole numbers are ints, undefined is none or absent, functions can be called", () => {
  const shown = (value: unknown) => render('{{ v }}', { v: value })
  assert.is(shown(1), '1')
  assert.is(shown(-0), '0')
  assert.is(shown(1.5), '1.5')
  assert.is(shown(new Float(2)), '2.0')
  assert.is(shown(2 ** 60), '1152921504606846976')
  assert.is(shown(10n ** 20n), '100000000000000000000')
  assert.is(shown(1e300 * 1e10), 'inf')
  assert.is(shown({ a: undefined, b: null, 1: [true] }), "{'1': [True], 'b': None}")
  assert.is(shown(new Map([[1, 'a']])), "{1: 'a'}")
  assert.is(shown(new Date(0)), '1970-01-01T00:00:00.000Z')
  assert.is(shown(undefined), 'None')
  assert.is(
    render('{{ f([1, 2.5, none, "a"], {"b": (1,)}) }}', { f: (...args: unknown[]) => JSON.stringify(args) }),
    '[[1,2.5,null,"a"],{"b":[1]}]',
  )
  const circle: unknown[] = []
  circle.push(circle)
  assert.throws(
    () => shown(circle),
    (error: unknown) => error instanceof JinjaError && TOO_MUCH.test(error.message),
  )
})

test('one template renders many times, with nothing left of the time before', () => {
  const template = readTemplate(
    '{% set ns = namespace(n=0) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ x }}{% set x = 1 %}',
  )
  for (const l of [[1, 2], [3]]) assert.is(template.render({ l }), String(l.reduce((a, b) => a + b)))
})

test.run()
