/** Prompts beside llama-server's: the conversations of tests/fixtures/chat with every template of the shared vectors. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hashOf, PROMPTS, promptOf, requests, templates } from '../chat-prompts.ts'
import { sharedTest } from '../shared.ts'

const PRINTED = 'llama.cpp prints None, lists and dicts as nothing'
const OWN = 'cria runs no model of this architecture, for whose continued answers llama.cpp has a format of its own'

/** Where cria differs: templates, conversations, and why. */
const DIFFERENCES: [template: RegExp, conversation: RegExp, reason: string][] = [
  [/Cohere2MoE|Kimi-K|DeepSeek-V4|muse-glimmer|Nemotron-Nano-v2|Laguna/, /prefill/, OWN],
  [/gemma/, /^call-prefill$/, OWN],
  [/command-r7b/, /prefill/, 'llama.cpp begins each with reasoning, which this template writes beside calls alone'],
  [
    /functionary-medium-v3.2|GigaChat3-/,
    /^prefill-forced$/,
    'llama.cpp continues the content, as there is no reasoning',
  ],
  [
    /rwkv/,
    /prefill|no-prompt/,
    'to llama.cpp add_generation_prompt is undefined where it is false: the answer is opened',
  ],
  [/interleaved/, /^call/, 'llama.cpp has calls and results in one message for the first template of Gemma 4'],
  [/StepFun/, /^blanks$/, 'llama.cpp trims the contents for this model alone'],
  [/gemma-4|MiniCPM5/, /^call-parallel$/, PRINTED],
  [/GLM|glm4moe|Kimi-K2/, /^call-object$/, PRINTED],
  [/LFM2.5-8B/, /parts|call-object/, 'the template joins parts itself, which llama.cpp does not see'],
  [/Kimi-K2-/, /^call/, 'Jinja2, in a sandbox, refuses list.append'],
  [/command-r-plus/, /tools|call/, 'Jinja2 fails where a text is added to what is undefined'],
  [/Nemotron-Nano-v2|chatqa/, /^system-alone$/, 'Jinja2 fails where an empty list has no such item'],
  [/functionary-medium-v3.1/, /tools|call/, 'Jinja2 escapes what is added to a safe text'],
  [/gemma-2/, /^system-alone$/, 'llama.cpp drops a system message that is alone; it is the user’s here'],
]

sharedTest('prompts are llama-server’s', () => {
  const [ids, ...lines] = readFileSync(PROMPTS, 'utf8').trimEnd().split('\n')
  const known = new Map(
    lines.map((line) => {
      const [template = '', , ...hashes] = line.split(' ')
      return [template, hashes]
    }),
  )
  assert.ok(requests().size >= 40)
  const wrong: string[] = []
  for (const [name, template] of templates()) {
    const hashes = known.get(hashOf(template))
    // Another one than the references were made with.
    if (!hashes) continue
    for (const [i, [id, request]] of [...requests()].entries()) {
      assert.is(ids!.split(' ')[i], id)
      const prompt = promptOf(template, request)
      const same = hashes[i] === (prompt === undefined ? '-' : hashOf(prompt))
      if (!same) wrong.push(`${name} ${id}`)
    }
  }
  const told = (what: string) => {
    const [name = '', id = ''] = what.split(' ')
    return DIFFERENCES.some(([template, conversation]) => template.test(name) && conversation.test(id))
  }
  assert.equal(
    wrong.filter((what) => !told(what)),
    [],
  )
})

test.run()
