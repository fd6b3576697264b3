/** The commands, in the order of help. */
import { appCommand } from './app.ts'
import { benchCommand } from './bench.ts'
import { chatCommand } from './chat.ts'
import type { Command } from './command.ts'
import { conformanceCommand } from './conformance.ts'
import { convertCommand } from './convert.ts'
import { ggufCommand } from './gguf.ts'
import { imatrixCommand } from './imatrix.ts'
import { inspectCommand } from './inspect.ts'
import { modelsCommand, pullCommand } from './models.ts'
import { perplexityCommand } from './perplexity.ts'
import { quantizeCommand } from './quantize.ts'
import { runCommand } from './run.ts'
import { serveCommand } from './serve.ts'
import { tokenizeCommand } from './tokenize.ts'

export const COMMANDS = [
  runCommand(false),
  chatCommand,
  serveCommand,
  appCommand,
  pullCommand,
  modelsCommand,
  inspectCommand,
  tokenizeCommand,
  convertCommand,
  quantizeCommand,
  imatrixCommand,
  perplexityCommand,
  ggufCommand,
  benchCommand,
  conformanceCommand,
] as Command[]
