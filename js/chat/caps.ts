/** What a template can do, found by rendering probes. Source of the probes: llama.cpp, common/jinja/caps.cpp. */

/** As far as messages are fitted to them; report.ts has the others. */
export interface TemplateCaps {
  /** Describes tools. */
  tools: boolean
  /** Writes the assistant's calls. */
  calls: boolean
  /** Wants their arguments as an object, not as a text of JSON. */
  objects: boolean
  /** Has the role `system`. */
  system: boolean
  /** Takes content as a text, as a list of parts. */
  text: boolean
  parts: boolean
}

/** Renders messages as they are; undefined where that fails. */
export type RenderProbe = (messages: object[], variables?: Record<string, unknown>) => string | undefined

/** Variables that templates add to texts without a look; to llama.cpp they are empty texts where they are not given. */
export const EMPTY = { functions: '', datetime: '' }

const MARK = 'STRING_MARKER'
export const user = (content: unknown) => ({ role: 'user', content })

const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'tool1',
      description: 'Tool description',
      parameters: { type: 'object', properties: { x: { type: 'string', description: 'y' } }, required: ['x'] },
    },
  },
]

/** A conversation with calls. */
export function probeCalls(probe: RenderProbe, args: unknown, ...names: string[]): string {
  const calls = names.map((name, i) => {
    return { id: `call0000${i}`, type: 'function', function: { name, arguments: args } }
  })
  const call = { role: 'assistant', content: '', tool_calls: calls }
  const result = { role: 'tool', content: 'Tool response', tool_call_id: 'call00000' }
  const answer = { role: 'assistant', content: 'The response' }
  return probe([user('Message'), call, result, answer, user('Message')], { tools: TOOLS }) ?? ''
}

/** Finds what a template can do. */
export function capsOf(probe: RenderProbe): TemplateCaps {
  const inParts = (text: string) => [{ type: 'text', text }]
  const text = probe([user(MARK)])?.includes(MARK) ?? false
  const asParts = probe([user(inParts(MARK))]) ?? ''
  // Parts that are printed as a value are none, and who refuses an empty list knows texts alone to llama.cpp.
  const parts = asParts.includes(MARK) && !/['"]text['"]/.test(asParts) && (!text || probe([user([])]) !== undefined)
  const rule = 'System message'
  const ruled = probe([{ role: 'system', content: text ? rule : inParts(rule) }, user('Message')])
  const object = probeCalls(probe, { arg: 'value' }, 'called')
  // Python's quotes: a dict that is printed as a value.
  const objects = object.includes('value') && !object.includes("'arg'")
  const calls = objects ? object : probeCalls(probe, '{"arg": "value"}', 'called')
  return {
    tools: (object || calls).includes('tool1'),
    calls: calls.includes('called'),
    objects,
    // A template that shows no message says nothing of roles.
    system: ruled?.includes(rule) || ruled?.includes('Message') === false,
    text,
    parts,
  }
}
