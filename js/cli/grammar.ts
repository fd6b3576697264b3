/** What a text has to be, by llama.cpp's flags. */
import type { GenerateOptions } from '../api/types.ts'
import { text, UsageError, type Values } from './flags.ts'
import { readText } from './terminal.ts'

export const GRAMMAR_FLAGS = {
  grammar: text('--grammar', 'GBNF', "a grammar in llama.cpp's notation, of which the text is a sentence"),
  grammarFile: text('--grammar-file', 'FILE', 'as --grammar, from a file; -: stdin'),
  jsonSchema: text('-j --json-schema', 'SCHEMA', 'a JSON Schema, or its file: the text is a value of it; {}: any JSON'),
  jsonSchemaFile: text('-jf --json-schema-file', 'FILE', 'as --json-schema, from a file; -: stdin'),
}

/** @throws UsageError for several, and for a schema that is no JSON */
export async function grammarOptions(
  { grammar, grammarFile, jsonSchema, jsonSchemaFile }: Values<typeof GRAMMAR_FLAGS>,
  signal: AbortSignal,
): Promise<Pick<GenerateOptions, 'schema' | 'grammar'>> {
  const flags = {
    '--grammar': grammar,
    '--grammar-file': grammarFile,
    '--json-schema': jsonSchema,
    '--json-schema-file': jsonSchemaFile,
  }
  const [first, second] = Object.entries(flags).filter(([, value]) => value !== undefined)
  if (!first) return {}
  if (second) throw new UsageError(`Give ${first[0]} or ${second[0]}, not both.`)
  const [flag, value] = first as [string, string]
  // What does not begin as a schema is the name of its file.
  const isFile = flag.endsWith('-file') || (flag === '--json-schema' && !/^\s*(\{|true\b|false\b)/.test(value))
  const content = isFile ? await readText(value, signal) : value
  if (typeof content !== 'string') throw new UsageError(`${flag}: ${value} is not UTF-8.`)
  if (flag.startsWith('--grammar')) return { grammar: content }
  try {
    return { schema: JSON.parse(content) }
  } catch (error) {
    throw new UsageError(`${flag}: ${isFile ? value : 'the schema'} is no JSON: ${(error as Error).message}.`)
  }
}
