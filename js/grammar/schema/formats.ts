/** Formats of strings that are enforced, as regular expressions. Sources: the RFCs that JSON Schema's section 7.3 names. */

const DIGIT = '[0-9]'
const HEX = '[0-9A-Fa-f]'
/** A year from 0001 on, a month, a day that it has. */
const YEAR = '(?!0000)[0-9]{4}'
const LEAP = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)'
const DATE =
  `(?:${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))` +
  `|${LEAP}-02-29)`
const CLOCK = '(?:[01][0-9]|2[0-3]):[0-5][0-9]'
const TIME = `${CLOCK}:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-]${CLOCK})`
const UUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`
const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`
const GROUP = `${HEX}{1,4}`
/** RFC 4291: eight groups, of which one run may be left out, and the last two of which may be an address of IPv4. */
const IPV6 = ipv6()
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const HOSTNAME = `(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*`
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
const EMAIL = `(?=[^@]{1,64}@)${ATOM}(?:\\.${ATOM})*@${LABEL}(?:\\.${LABEL})+`
const DURATION_TIME = 'T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)'
const DURATION_DAYS = '(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)'
const DURATION = `P(?:${DURATION_DAYS}(?:${DURATION_TIME})?|${DURATION_TIME}|[0-9]+W)`
// RFC 3986, without empty paths of rare shape.
const ESCAPED = `%${HEX}{2}`
const PCHAR = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${ESCAPED})`
const HOST = `(?:\\[${IPV6}\\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|${ESCAPED})*)`
const AUTHORITY = `(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|${ESCAPED})*@)?${HOST}(?::${DIGIT}*)?`
const SEGMENTS = `(?:/${PCHAR}*)*`
const TAIL = `(?:\\?(?:${PCHAR}|[/?])*)?(?:#(?:${PCHAR}|[/?])*)?`
const ROOTED = `/(?:${PCHAR}+${SEGMENTS})?`
const URI = `[A-Za-z][A-Za-z0-9+.-]*:(?://${AUTHORITY}${SEGMENTS}|${ROOTED}|${PCHAR}+${SEGMENTS})${TAIL}`
const FIRST_SEGMENT = `(?:[A-Za-z0-9._~!$&'()*+,;=@-]|${ESCAPED})+`
const REFERENCE = `(?:${URI}|(?://${AUTHORITY}${SEGMENTS}|${ROOTED}|${FIRST_SEGMENT}${SEGMENTS}|)${TAIL})`
// RFC 6570: literals, and expressions of names between braces.
const VARIABLE = `(?:[A-Za-z0-9_]|${ESCAPED})+(?:\\.(?:[A-Za-z0-9_]|${ESCAPED})+)*(?:\\*|:[1-9][0-9]{0,3})?`
const TEMPLATE = `(?:[^\\u0000-\\u0020"'%<>\\\\^\`{|}]|${ESCAPED}|\\{[+#./;?&]?${VARIABLE}(?:,${VARIABLE})*\\})*`
const POINTER = '(?:/(?:[^/~]|~[01])*)*'

const PATTERNS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `${DATE}T${TIME}`,
  duration: DURATION,
  uuid: UUID,
  ipv4: IPV4,
  ipv6: IPV6,
  hostname: HOSTNAME,
  'idn-hostname': HOSTNAME,
  email: EMAIL,
  'idn-email': EMAIL,
  uri: URI,
  iri: URI,
  'uri-reference': REFERENCE,
  'iri-reference': REFERENCE,
  'uri-template': TEMPLATE,
  'json-pointer': POINTER,
  'relative-json-pointer': `(?:0|[1-9][0-9]*)(?:#|${POINTER})`,
}

/** A pattern that matches the whole of a string of the format; undefined for one that says nothing of the string's form. */
export function formatPattern(format: string): string | undefined {
  return PATTERNS[format]
}

function ipv6(): string {
  const tail = `(?:${GROUP}:${GROUP}|${IPV4})`
  const options = [`(?:${GROUP}:){6}${tail}`]
  // n groups before ::, at most 7 - n after it.
  for (let before = 0; before <= 7; before++) {
    const head = before === 0 ? '' : `${GROUP}(?::${GROUP}){${before - 1}}`
    const most = 7 - before
    const after = [`(?:${GROUP}(?::${GROUP}){0,${Math.max(most - 1, 0)}})?`]
    if (most >= 2) after.push(`(?:${GROUP}:){0,${most - 2}}${IPV4}`)
    options.push(`${head}::${most === 0 ? '' : `(?:${after.join('|')})`}`)
  }
  return `(?:${options.join('|')})`
}
