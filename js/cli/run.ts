/** `cria run`: a prompt goes on. */
import type { GenerateOptions, GenerateResult, Generation, Model } from '../api/types.ts'
import { AbortError } from '../errors.ts'
import type { Command, Context } from './command.ts'
import { either, longName, toggle, UsageError, type Values } from './flags.ts'
import { neutral, refused } from './foreign.ts'
import { GRAMMAR_FLAGS, grammarOptions } from './grammar.ts'
import { TERMINAL } from './llama-flags.ts'
import { faint } from './markdown.ts'
import { CHAT_FLAGS, chatOptions, oneTurn, withVariables } from './messages.ts'
import { KEEP_FLAGS, loadModel, MODEL_FLAGS } from './model.ts'
import { GENERATE_FLAGS, generateOptions, LOAD_FLAGS, OTHER_FLAGS, SAMPLING_FLAGS } from './options.ts'
import { asPrompt, PROMPT_FLAGS, readPrompt, withEscapesRead } from './prompt.ts'
import { ROPE_FLAGS } from './rope.ts'
import { say, shown, write } from './terminal.ts'

const CHAT = {
  chat: toggle('--chat -st --single-turn', "take the prompt as a user's message, through the chat template"),
  ...CHAT_FLAGS,
}
const GENERATION = {
  ...GENERATE_FLAGS,
  noParseSpecial: toggle('--no-parse-special', 'read special tokens in the prompt as plain text'),
}
const OUTPUT = {
  displayPrompt: either(
    '--display-prompt',
    '--no-display-prompt',
    'write the prompt to stdout before the text; default: the generated text alone',
  ),
  json: toggle('--json', 'one JSON object in place of text: text, ids, finishReason, counts, timings, seed'),
}

const flags = {
  ...PROMPT_FLAGS,
  ...MODEL_FLAGS,
  ...KEEP_FLAGS,
  ...LOAD_FLAGS,
  ...ROPE_FLAGS,
  ...GENERATION,
  ...SAMPLING_FLAGS,
  ...GRAMMAR_FLAGS,
  ...CHAT,
  ...OUTPUT,
  ...OTHER_FLAGS,
}

const FOREIGN = [
  ...TERMINAL,
  ...neutral('cria run asks nothing and ends after one text', '-no-cnv --no-conversation', '-mli --multiline-input'),
  ...refused('cria chat holds conversations, and --single-turn is one turn of one', '-cnv --conversation'),
  ...refused('cria chat goes to and fro', '-i --interactive', '-if --interactive-first'),
  ...refused('put it into the prompt', '--in-prefix:1', '--in-suffix:1', '--in-prefix-bos'),
  ...neutral(
    'counts and speeds are there with -v',
    '-ptc --print-token-count:1',
    '--show-timings --no-show-timings=LLAMA_ARG_SHOW_TIMINGS',
  ),
  ...neutral('cria run writes text as it is', '-co --color:1'),
  ...refused(
    'cria run keeps no cache in files; from JavaScript, model.saveState does',
    '--prompt-cache:1',
    '--prompt-cache-all',
    '--prompt-cache-ro',
  ),
]

/** @param bare the word `run` was not there */
export function runCommand(bare: boolean): Command<typeof flags> {
  return {
    name: 'run',
    summary: 'continue a prompt; the default command',
    usage: '[run] [options]',
    description: [
      'Continues a prompt (-p, -f or stdin) until the model ends, or -n tokens, or the end of the context.',
      'Generated text goes to stdout as it comes, without the prompt; a line end follows.',
    ],
    groups: [
      ['Prompt', PROMPT_FLAGS],
      ['Model', { ...MODEL_FLAGS, ...KEEP_FLAGS }],
      ['Engine', LOAD_FLAGS],
      ['Rotation', ROPE_FLAGS],
      ['Generation', GENERATION],
      ['Sampling', SAMPLING_FLAGS],
      ['Grammar', GRAMMAR_FLAGS],
      ['Chat', CHAT],
      ['Output', { ...OUTPUT, ...OTHER_FLAGS }],
    ],
    examples: [
      'cria                                          a story from the built-in model',
      'cria -m model.gguf -p "Once upon a time" -n 100 --temp 0',
      'echo "Why is the sky blue?" | cria run -m chat.gguf --chat',
      'cria -hf owner/repo:Q4_K_M -p "Hello" -v',
      'cria -m chat.gguf --chat -j schema.json -p "A llama?" | jq .name',
    ],
    flags,
    foreign: FOREIGN,
    environment: true,
    run: (values, positionals, context) => run(values, positionals, context, !bare),
  }
}

async function run(
  values: Values<typeof flags>,
  positionals: readonly string[],
  { signal, variables }: Context,
  patient: boolean,
): Promise<number> {
  check(values, positionals, variables)
  const constraint = await grammarOptions(values, signal)
  const options = {
    ...generateOptions(withEscapesRead(values)),
    ...constraint,
    ...(values.noParseSpecial && { special: false }),
    signal,
  }
  const chat = values.chat ? await chatOptions(values, signal) : undefined
  const prompt = (await readPrompt(values, signal, patient)) ?? ''
  if (chat && prompt === '') throw new UsageError('--chat needs a message: give --prompt or --file, or pipe it in.')
  if (chat && typeof prompt !== 'string') throw new UsageError('A message must be UTF-8.')
  const model = await loadModel(values, signal)
  try {
    if (values.displayPrompt && !values.json) await write(prompt)
    if (values.verbose) say(`seed: ${options.seed}`)
    const generation =
      typeof prompt === 'string' && chat
        ? startChat(model, prompt, chat, options)
        : model.generate(asPrompt(model, prompt, !values.noParseSpecial), options)
    if (values.json) {
      const result = await generation.result()
      await write(`${JSON.stringify({ prompt: shown(prompt), ...result }, null, 2)}\n`)
    } else await stream(generation)
    const result = await generation.result()
    sayFull(result, options, model)
    if (values.verbose) sayTimings(result)
    if (result.finishReason === 'stop' || Object.keys(constraint).length === 0) return 0
    say('cria: the text was cut short before it was whole: -n and -c are its limits.')
    return 1
  } finally {
    await model.close()
  }
}

function check(values: Values<typeof flags>, positionals: readonly string[], variables: Context['variables']): void {
  if (positionals.length > 0) {
    throw new UsageError(`The argument ${JSON.stringify(positionals[0])} is one too many; a prompt goes after -p.`)
  }
  if (values.noParseSpecial && values.chat) throw new UsageError('--no-parse-special is not for --chat.')
  if (values.chat) return
  for (const [key, flag] of Object.entries(CHAT_FLAGS)) {
    if (values[key as keyof typeof CHAT_FLAGS] === undefined) continue
    const variable = variables.get(key)
    if (variable === undefined) throw new UsageError(`${longName(flag)} needs --chat.`)
    say(`cria: note: ${variable} changes nothing without --chat.`)
  }
}

function startChat(
  model: Model,
  prompt: string,
  { system, ...chat }: Awaited<ReturnType<typeof chatOptions>>,
  options: ReturnType<typeof generateOptions>,
): Generation {
  return model.chat(oneTurn(prompt, system), { ...options, ...withVariables(chat, model) })
}

/** The content as it comes, then a line end, also where it is cut off; nothing where it fails before a word. */
export async function stream(
  generation: Generation,
  style: { push(text: string): string; end(): string } = { push: (text) => text, end: () => '' },
): Promise<void> {
  let begun = false
  let thinking = false
  try {
    for await (const { content, reasoning } of generation.deltas()) {
      if (reasoning !== undefined) thinking = sayReasoning(reasoning)
      if (content === undefined) continue
      if (thinking) say('\n')
      thinking = false
      begun = true
      await write(style.push(content))
    }
  } catch (error) {
    if (begun || error instanceof AbortError) await write(`${style.end()}\n`)
    throw error
  }
  await write(`${style.end()}\n`)
}

/** Reasoning is no part of what a pipe gets: a terminal shows it beside the text. Returns whether it did. */
function sayReasoning(text: string): boolean {
  if (process.stderr.isTTY) process.stderr.write(faint(text))
  return process.stderr.isTTY
}

/** Says where the context ended a text. */
export function sayFull(
  { finishReason, completionTokens }: GenerateResult,
  { maxTokens = Infinity }: GenerateOptions,
  { info }: Model,
): void {
  if (finishReason !== 'length' || completionTokens >= maxTokens) return
  say(
    `cria: the context of ${info.context} tokens is full. -c sets its size; --context-shift continues without the older half.`,
  )
}

/** Speeds in one line on stderr, as llama-cli writes them. */
export function saySpeed({ timings }: GenerateResult): void {
  const [prompt, generation] = [timings.promptPerSecond, timings.tokensPerSecond].map((speed) => speed.toFixed(1))
  say(`[ Prompt: ${prompt} t/s | Generation: ${generation} t/s ]`)
}

/** Counts and speeds, on stderr. */
export function sayTimings({
  promptTokens,
  cachedTokens,
  completionTokens,
  finishReason,
  timings,
}: GenerateResult): void {
  const cached = cachedTokens > 0 ? ` (${cachedTokens} cached)` : ''
  say(`prompt: ${promptTokens} tokens${cached}, ${timings.promptPerSecond.toFixed(1)} tokens/s`)
  say(
    `generation: ${completionTokens} tokens, ${timings.tokensPerSecond.toFixed(1)} tokens/s, ended by ${finishReason}`,
  )
}
