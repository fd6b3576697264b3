/** The built-in chat formats against the texts that llama.cpp's llama_chat_apply_template writes for them. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BUILTIN_TEMPLATES } from '../../js/chat/builtin-templates.ts'
import { TURN_TEMPLATES } from '../../js/chat/formats.ts'
import { chooseTemplate, renderChat } from '../../js/chat/template.ts'
import { TemplateError } from '../../js/errors.ts'

/** By name: the first conversation with the answer opened, the second without. */
const EXPECTED: Record<string, [string, string]> = JSON.parse(
  readFileSync(new URL('../fixtures/chat-formats.json', import.meta.url), 'utf8'),
)
const CONVERSATIONS = [
  [
    { role: 'system', content: 'You are a helpful assistant' },
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hi there' },
    { role: 'user', content: 'Who are you' },
    { role: 'assistant', content: '   I am an assistant   ' },
    { role: 'user', content: 'Another question' },
  ],
  [
    { role: 'user', content: ' Hello\n' },
    { role: 'assistant', content: 'Hi' },
  ],
]

function render(name: string, messages: readonly unknown[], addGenerationPrompt = true): string {
  // llama.cpp's formats leave BOS to the tokenizer, and its zephyr is StableLM's.
  const options = { messages, addGenerationPrompt, bosToken: '', eosToken: '<|endoftext|>' }
  return renderChat({ ...options, template: BUILTIN_TEMPLATES.get(name)! })
}

for (const [name, texts] of Object.entries(EXPECTED)) {
  test(`${name} is llama.cpp's`, () => {
    assert.is(render(name, CONVERSATIONS[0]!), texts[0])
    assert.is(render(name, CONVERSATIONS[1]!, false), texts[1])
  })
}

test('every format of the table is compared', () => {
  assert.equal(
    [...TURN_TEMPLATES.keys()].filter((name) => !(name in EXPECTED)),
    [],
  )
})

test('a role that a format does not have is refused, not passed over', () => {
  const messages = [{ role: 'tool', content: '3' }]
  for (const name of TURN_TEMPLATES.keys()) {
    let text: string | undefined
    try {
      text = render(name, messages)
    } catch (error) {
      assert.instance(error, TemplateError, name)
      assert.match((error as Error).message, `${name} has no messages of the role tool`)
      continue
    }
    assert.ok(text.includes('3'), name)
  }
})

test('tool calls of Granite and tools of EXAONE have turns of their own', () => {
  const call = [{ role: 'assistant_tool_call', content: '{}' }]
  assert.is(
    render('granite', call, false),
    '<|start_of_role|>assistant_tool_call<|end_of_role|><|tool_call|>{}<|end_of_text|>\n',
  )
  assert.is(
    render('granite-4.0', call, false),
    '<|start_of_role|>assistant<|end_of_role|><|tool_call|>{}<|end_of_text|>\n',
  )
  assert.is(render('exaone4', [{ role: 'tool', content: ' 3 ' }], false), '[|tool|]3[|endofturn|]\n')
})

/** Tokens of a vocabulary, and the format that its messages are written in where the file has no template. */
const FAMILIES: [format: string, ...tokens: string[]][] = [
  ['chatml', '<|im_start|>', '<|im_end|>', '<|endoftext|>'],
  ['phi4', '<|im_start|>', '<|im_end|>', '<|im_sep|>'],
  ['phi3', '<|assistant|>', '<|end|>', '<|user|>', '<s>'],
  ['gemma', '<bos>', '<start_of_turn>', '<end_of_turn>'],
  ['granite', '<|start_of_role|>', '<|end_of_role|>', '<|end_of_text|>'],
  ['exaone3', '[|system|]', '[|assistant|]', '[|endofturn|]'],
  ['exaone4', '[|system|]', '[|assistant|]', '[|endofturn|]', '[|tool|]'],
  ['chatglm4', '[gMASK]', '<sop>', '<|user|>', '<|assistant|>', '<|endoftext|>'],
  ['hunyuan-dense', '<｜hy_User｜>', '<｜hy_Assistant｜>'],
  ['seed_oss', '<seed:bos>', '<seed:eos>'],
  ['deepseek3', '<｜User｜>', '<｜Assistant｜>', '<｜end▁of▁sentence｜>'],
  ['gpt-oss', '<|start|>', '<|end|>', '<|message|>', '<|channel|>', '<|return|>'],
  ['smolvlm', '<|im_start|>', '<end_of_utterance>'],
  ['llama3', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
  ['llama4', '<|header_start|>', '<|header_end|>', '<|eot|>'],
  ['minicpm', '<用户>', '<AI>'],
  ['command-r', '<|START_OF_TURN_TOKEN|>', '<|USER_TOKEN|>'],
]
for (const [name, ...tokens] of FAMILIES) {
  test(`a vocabulary with ${tokens.join(' ')} is ${name}'s`, () => {
    const choice = chooseTemplate({ tokens: new Set(['a', ...tokens]) })
    assert.is(choice.template, BUILTIN_TEMPLATES.get(name))
    assert.is(choice.source, 'fallback')
    assert.match(choice.warning!.message, name)
  })
}

test.run()
