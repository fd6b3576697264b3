/** Jinja's filter urlize: links in a text as HTML. */
import { escapeText } from './operations.ts'

const HTTP =
  /^(?:(?:https?:\/\/|www\.)(?:(?:[\w%-]+\.)+)?(?:[a-z]{2,63}|xn--[\w%]{2,59})|(?:[\w%-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil)|https?:\/\/(?:\d{1,3}(?:\.\d{1,3}){3}|\[(?:[\da-f]{0,4}:){2}(?:[\da-f]{0,4}:?){1,6}\]))(?::\d{1,5})?(?:[/?#]\S*)?$/i
const EMAIL = /^\S+@\w[\w.-]*\.\w+$/
const PAIRS = [
  ['(', ')'],
  ['<', '>'],
  ['&lt;', '&gt;'],
] as const

const count = (text: string, part: string) => text.split(part).length - 1

/** `more`: attributes of links into the web. */
function linked(word: string, limit: number | undefined, more: string, schemes: readonly string[]): string {
  const shown = limit !== undefined && word.length > limit ? `${word.slice(0, limit)}...` : word
  if (HTTP.test(word)) return `<a href="${/^https?:\/\//.test(word) ? '' : 'https://'}${word}"${more}>${shown}</a>`
  if (word.startsWith('mailto:') && EMAIL.test(word.slice(7))) return `<a href="${word}">${word.slice(7)}</a>`
  if (/^(?!www\.|@)[^:]*@[^:]*$/.test(word) && EMAIL.test(word)) return `<a href="mailto:${word}">${word}</a>`
  return schemes.some((scheme) => word !== scheme && word.startsWith(scheme))
    ? `<a href="${word}"${more}>${word}</a>`
    : word
}

/** `text` is escaped already. `limit`: of the characters that a link shows; `schemes`: what links begin with too. */
export function urlize(
  text: string,
  limit: number | undefined,
  rel: string,
  target: string,
  schemes: readonly string[],
): string {
  const more = (rel && ` rel="${escapeText(rel)}"`) + (target && ` target="${escapeText(target)}"`)
  const words = text.split(/(\s+)/).map((word) => {
    const [head = ''] = /^(?:[(<]|&lt;)+/.exec(word) ?? []
    let middle = word.slice(head.length)
    let [tail = ''] = /(?:[)>.,\n]|&gt;)+$/.exec(middle) ?? []
    middle = middle.slice(0, middle.length - tail.length)
    for (const [open, close] of PAIRS) {
      const opened = count(middle, open)
      if (opened <= count(middle, close)) continue
      for (let left = Math.min(opened, count(tail, close)); left > 0; left--) {
        const end = tail.indexOf(close) + close.length
        middle += tail.slice(0, end)
        tail = tail.slice(end)
      }
    }
    return head + linked(middle, limit, more, schemes) + tail
  })
  return words.join('')
}
