/** Tools and their choice as callers give them, checked. */
import { ArgumentError } from '../../errors.ts'
import { invalid } from '../../util/check.ts'
import { isObject } from '../messages.ts'

/** A tool that may be called. */
export interface ChatTool {
  name: string
  /** Of its arguments: an object. */
  schema: Record<string, unknown>
}

/** @throws ArgumentError INVALID_TOOLS: a tool without a name, or two with one; parameters that are no schema of an object */
export function checkedTools(tools: readonly unknown[] = []): ChatTool[] {
  const names = new Set<string>()
  return tools.map((tool, i) => {
    const wrong = (what: string) => new ArgumentError('INVALID_TOOLS', `tools[${i}] ${what}.`, tool)
    if (!isObject(tool)) throw wrong('must be an object {type: "function", function: {name, description, parameters}}')
    const described = isObject(tool.function) ? tool.function : tool
    const { name, parameters = tool.input_schema } = described
    if (typeof name !== 'string' || !/^[^\s"\\<>{}]+$/.test(name)) {
      throw wrong('needs a name, without blanks, quotes and brackets')
    }
    if (names.has(name)) throw wrong(`has the name ${name}, which another tool has`)
    names.add(name)
    return { name, schema: parametersOf(parameters, wrong) }
  })
}

/** Keywords that say what other arguments there may be, or may say so. */
const OPEN = 'additionalProperties unevaluatedProperties patternProperties $ref $dynamicRef allOf anyOf oneOf if'.split(
  ' ',
)

function parametersOf(parameters: unknown, wrong: (what: string) => ArgumentError): ChatTool['schema'] {
  // As OpenAI has it: a function without parameters takes none.
  if (parameters === undefined || parameters === null) return { type: 'object', additionalProperties: false }
  if (!isObject(parameters)) throw wrong('must have parameters that are a JSON Schema of an object')
  const { type } = parameters
  if (type !== undefined && type !== 'object' && !(Array.isArray(type) && type.includes('object'))) {
    throw wrong(`must have parameters of the type object, not ${JSON.stringify(type)}`)
  }
  // Arguments that a tool does not name would be of no use to it.
  const isOpen = OPEN.some((keyword) => keyword in parameters)
  return {
    ...parameters,
    type: 'object',
    ...('properties' in parameters && !isOpen && { additionalProperties: false }),
  }
}

/** The tools that may be called, and whether one has to be. @throws ArgumentError */
export function chosenTools(
  tools: readonly ChatTool[],
  choice: unknown = 'auto',
): { tools: readonly ChatTool[]; required: boolean } {
  if (choice === 'none') return { tools: [], required: false }
  if (choice === 'auto') return { tools, required: false }
  if (choice === 'required') {
    if (tools.length === 0) throw invalid('toolChoice', "'auto' or 'none' where there are no tools", choice)
    return { tools, required: true }
  }
  const name = isObject(choice) ? choice.name : undefined
  const chosen = tools.filter((tool) => tool.name === name)
  if (chosen.length === 0) {
    throw invalid('toolChoice', "'auto', 'none', 'required' or { name } of one of the tools", choice)
  }
  return { tools: chosen, required: true }
}
