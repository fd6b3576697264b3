/**
 * A last message of the assistant that goes on. What opens its reasoning and its answer is found by comparing renderings.
 * Source: llama.cpp, common/chat-diff-analyzer.cpp and common/chat-auto-parser-generator.cpp.
 */
import { type RenderProbe, user } from './caps.ts'
import type { TemplateFamily } from './families.ts'
import { type Message, textOf } from './messages.ts'

/** The part of the message that goes on. */
export type Continued = 'content' | 'reasoning_content'

/** Texts around reasoning; empty where a template has none. */
export type ReasoningMarks = Required<Pick<TemplateFamily, 'think' | 'answer'>>

const REASON = 'REASON_PART I am thinking END_R'
const ASKED = user('U_USER_MSG Hello END_U')
const ANSWER = { role: 'assistant', content: 'A_ASST_MSG I can help END_A' }
const REASONED = { ...ANSWER, reasoning_content: REASON }

const MARKER = '(<[^>]*>|\\[[^\\]]*\\])'
const WRAPPED = new RegExp(`(${MARKER}\\s*)${REASON}(\\s*${MARKER}\\s*)`)
const PAIR = new RegExp(`${MARKER}\\s*${MARKER}\\s*$`)

export function reasoningMarks(source: string, probe: RenderProbe): ReasoningMarks {
  const say = (answer: object) => probe([ASKED, answer], { enable_thinking: true, add_generation_prompt: false })
  let [, think = '', , answer = ''] = (say(ANSWER) && WRAPPED.exec(say(REASONED) ?? '')) || []

  const [off, on] = [false, true].map((thinking) => probe([ASKED], { enable_thinking: thinking }) ?? '') as [
    string,
    string,
  ]
  const [added, removed] = [tail(on, off), tail(off, on)]
  if (off && on.startsWith(off)) {
    if (added.trim()) think ||= added
  } else if (on && off.startsWith(on)) {
    if (removed.trim() && !answer) {
      const [, before = '', last] = PAIR.exec(off) ?? []
      if (last === removed.trim()) think = before
      answer = removed
    }
  } else if (off && on) {
    // The rest of the text may differ too; what follows its last characters is then a pair.
    const extra = (tail(off, on.slice(-64)) || tail(on, off.slice(-64))).trim()
    const [all, before = '', after = ''] = PAIR.exec(extra) ?? []
    if (all === extra) {
      think ||= before
      answer ||= after
    }
  }

  // Templates that do not show reasoning, but take it off.
  const has = (text: string) => source.includes(text)
  const hidden = !think && !answer && has("content.split('</think>')") && !has('reasoning_content')
  if (hidden || has('Write your thoughts between <think>')) return { think: '<think>', answer: '</think>' }
  return { think, answer }
}

/** What stands in a text behind the last place of another one. */
function tail(text: string, other: string): string {
  const at = text.lastIndexOf(other)
  return at < 0 ? '' : text.slice(at + other.length)
}

/** What stands behind the messages before the one that goes on. `opening`: what opens an answer otherwise. */
export function continuation(
  { content, reasoning_content: reasoning }: Message,
  part: Continued,
  template: { family: TemplateFamily | undefined; reasoning(): ReasoningMarks },
  opening: string,
): string {
  const { open = opening, think = '', answer = '' }: Partial<TemplateFamily> = template.family ?? template.reasoning()
  const at = template.family || think === '' ? -1 : open.indexOf(think)
  const thoughts = typeof reasoning === 'string' ? reasoning : ''
  let text = at < 0 ? open : open.slice(0, at)
  if (think !== '') text += think + thoughts + (part === 'content' ? answer : '')
  return part === 'content' ? text + textOf(content, '\n\n') : text
}
