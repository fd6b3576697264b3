/**
 * Chat formats in which every message is its text between two marks, as a table. Source: the cards and templates of the
 * models, by the names that llama.cpp gives them (src/llama-chat.cpp).
 */

/** What comes before and after a message's text, which is trimmed if a third says so. */
type Turn = readonly [before: string, after: string, trim?: true]

interface Format {
  /** BOS comes first, whether or not the tokenizer puts it there. */
  bos?: true
  start?: string
  /** By role; `any` is for the others, with `{role}` for their own. */
  turns: Readonly<Record<string, Turn>>
  /** What opens the assistant's answer. */
  open?: string
}

const END = '<｜end▁of▁sentence｜>'

/** A mark with the role in it before each message; what opens an answer is the assistant's. */
function marked(before: string, after: string, trim?: true, others: Record<string, Turn> = {}): Format {
  const any: Turn = trim ? [before, after, trim] : [before, after]
  return { turns: { ...others, any }, open: before.replace('{role}', 'assistant') }
}

function exaone(others: Record<string, Turn> = {}): Format {
  const turn = (role: string, after: string): Turn => [`[|${role}|]`, after, true]
  const end = '[|endofturn|]\n'
  const turns = { system: turn('system', end), user: turn('user', '\n'), assistant: turn('assistant', end), ...others }
  return { turns, open: '[|assistant|]' }
}

function granite(toolCall: string): Format {
  const mark = (role: string) => `<|start_of_role|>${role}<|end_of_role|>`
  const end = '<|end_of_text|>\n'
  return marked(mark('{role}'), end, undefined, { assistant_tool_call: [`${mark(toolCall)}<|tool_call|>`, end] })
}

function mistral7(space: string): Format {
  const turns: Record<string, Turn> = {
    system: [`[SYSTEM_PROMPT]${space}`, '[/SYSTEM_PROMPT]'],
    user: [`[INST]${space}`, '[/INST]'],
    assistant: [space, '</s>'],
  }
  return { bos: true, turns }
}

const commandTurn = (role: string): Turn => [`<|START_OF_TURN_TOKEN|><|${role}_TOKEN|>`, '<|END_OF_TURN_TOKEN|>', true]

const FORMATS: Readonly<Record<string, Format>> = {
  chatml: marked('<|im_start|>{role}\n', '<|im_end|>\n'),
  'mistral-v7': mistral7(' '),
  'mistral-v7-tekken': mistral7(''),
  phi3: marked('<|{role}|>\n', '<|end|>\n'),
  phi4: marked('<|im_start|>{role}<|im_sep|>', '<|im_end|>'),
  falcon3: marked('<|{role}|>\n', '\n'),
  llama4: marked('<|header_start|>{role}<|header_end|>\n\n', '<|eot|>', true),
  chatglm3: { ...marked('<|{role}|>\n ', ''), start: '[gMASK]sop', open: '<|assistant|>' },
  chatglm4: { ...marked('<|{role}|>\n', ''), start: '[gMASK]<sop>' },
  glmedge: { ...marked('<|{role}|>\n', ''), open: '<|assistant|>' },
  minicpm: { turns: { user: ['<用户>', '<AI>', true], any: ['', '', true] } },
  exaone3: exaone(),
  exaone4: exaone({ tool: ['[|tool|]', '[|endofturn|]\n', true] }),
  'exaone-moe': marked('<|{role}|>\n', '<|endofturn|>\n', true),
  granite: granite('assistant_tool_call'),
  'granite-4.0': granite('assistant'),
  'granite-4.1': granite('assistant'),
  megrez: marked('<|role_start|>{role}<|role_end|>', '<|turn_end|>'),
  smolvlm: {
    start: '<|im_start|>',
    turns: {
      system: ['', '\n\n'],
      user: ['User: ', '<end_of_utterance>\n'],
      any: ['Assistant: ', '<end_of_utterance>\n'],
    },
    open: 'Assistant:',
  },
  'hunyuan-moe': {
    turns: {
      system: ['<|startoftext|>', '<|extra_4|>'],
      assistant: ['', '<|eos|>'],
      any: ['<|startoftext|>', '<|extra_0|>'],
    },
  },
  'hunyuan-dense': {
    turns: {
      system: ['', '<｜hy_place▁holder▁no▁3｜>'],
      user: ['<｜hy_User｜>', '<｜hy_Assistant｜>'],
      assistant: ['<｜hy_Assistant｜>', '<｜hy_place▁holder▁no▁2｜>'],
    },
  },
  'gpt-oss': {
    ...marked('<|start|>{role}<|message|>', '<|end|>', undefined, {
      assistant: ['<|start|>assistant<|message|>', '<|return|>'],
    }),
    open: '<|start|>assistant',
  },
  seed_oss: marked('<seed:bos>{role}\n', '<seed:eos>', undefined, {
    assistant: ['<seed:bos>assistant\n', '<seed:eos>', true],
  }),
  deepseek: {
    turns: {
      system: ['', ''],
      user: ['### Instruction:\n', '\n'],
      assistant: ['### Response:\n', '\n<|EOT|>\n'],
    },
    open: '### Response:\n',
  },
  deepseek2: {
    turns: { system: ['', '\n\n'], user: ['User: ', '\n\n'], assistant: ['Assistant: ', END] },
    open: 'Assistant:',
  },
  deepseek3: {
    turns: { system: ['', '\n\n'], user: ['<｜User｜>', ''], assistant: ['<｜Assistant｜>', END] },
    open: '<｜Assistant｜>',
  },
  'command-r': {
    turns: { system: commandTurn('SYSTEM'), user: commandTurn('USER'), assistant: commandTurn('CHATBOT') },
    open: commandTurn('CHATBOT')[0],
  },
  vicuna: {
    turns: { system: ['', '\n\n'], user: ['USER: ', '\n'], assistant: ['ASSISTANT: ', '</s>\n'] },
    open: 'ASSISTANT:',
  },
  'vicuna-orca': {
    turns: { system: ['SYSTEM: ', '\n'], user: ['USER: ', '\n'], assistant: ['ASSISTANT: ', '</s>\n'] },
    open: 'ASSISTANT:',
  },
}

/** A text as Jinja writes it; `{role}` in it is the message's. */
const quote = (text: string) =>
  text
    .split('{role}')
    .map((part) => JSON.stringify(part))
    .join(" + message['role'] + ")

function jinja(name: string, { bos, start = '', turns, open = '' }: Format): string {
  const write = ([before, after, trim]: Turn) =>
    `{{ ${quote(before)} + message['content']${trim ? ' | trim' : ''} + ${quote(after)} }}`
  const { any, ...roles } = turns
  const cases = Object.entries(roles).map(([role, turn]) => `if message['role'] == '${role}' %}${write(turn)}`)
  const other = any ? write(any) : `{{ raise_exception('${name} has no messages of the role ' + message['role']) }}`
  const choice = cases.length > 0 ? `{% ${cases.join('{% el')}{% else %}${other}{% endif %}` : other
  return `{{ ${bos ? 'bos_token' : quote(start)} }}{% for message in messages %}${choice}{% endfor %}{% if add_generation_prompt %}{{ ${quote(open)} }}{% endif %}`
}

/** Jinja by name. */
export const TURN_TEMPLATES: ReadonlyMap<string, string> = new Map(
  Object.entries(FORMATS).map(([name, format]) => [name, jinja(name, format)]),
)
