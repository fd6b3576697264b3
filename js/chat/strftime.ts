/** Python's strftime in the C locale and local time, for chat templates that print the date. */

const MONTHS = 'January February March April May June July August September October November December'.split(' ')
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')

const pad = (n: number, width: number, fill = '0') => String(n).padStart(width, fill)

/** Formats a date; directives it does not know stay as they are. `%-d` and its kin drop the padding. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([a-zA-Z%])/g, (directive: string, dash: string, letter: string) => {
    const text = field(date, letter)
    if (text === undefined) return directive
    return dash ? text.replace(/^[0 ]+(?=.)/, '') : text
  })
}

function field(date: Date, letter: string): string | undefined {
  const hours = date.getHours()
  const dayOfYear = Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 1)) / 86400000,
  )
  switch (letter) {
    case 'Y':
      return String(date.getFullYear())
    case 'y':
      return pad(date.getFullYear() % 100, 2)
    case 'm':
      return pad(date.getMonth() + 1, 2)
    case 'B':
      return MONTHS[date.getMonth()]!
    case 'b':
    case 'h':
      return MONTHS[date.getMonth()]!.slice(0, 3)
    case 'd':
      return pad(date.getDate(), 2)
    case 'e':
      return pad(date.getDate(), 2, ' ')
    case 'j':
      return pad(dayOfYear + 1, 3)
    case 'A':
      return DAYS[date.getDay()]!
    case 'a':
      return DAYS[date.getDay()]!.slice(0, 3)
    case 'w':
      return String(date.getDay())
    case 'u':
      return String(date.getDay() || 7)
    case 'H':
      return pad(hours, 2)
    case 'I':
      return pad(hours % 12 || 12, 2)
    case 'p':
      return hours < 12 ? 'AM' : 'PM'
    case 'M':
      return pad(date.getMinutes(), 2)
    case 'S':
      return pad(date.getSeconds(), 2)
    case 'f':
      return pad(date.getMilliseconds() * 1000, 6)
    case 'F':
      return strftime(date, '%Y-%m-%d')
    case 'T':
    case 'X':
      return strftime(date, '%H:%M:%S')
    case 'R':
      return strftime(date, '%H:%M')
    case 'D':
    case 'x':
      return strftime(date, '%m/%d/%y')
    case 'c':
      return strftime(date, '%a %b %e %H:%M:%S %Y')
    // A local time of Python's has no zone.
    case 'z':
    case 'Z':
      return ''
    case 'n':
      return '\n'
    case 't':
      return '\t'
    case '%':
      return '%'
    default:
      return undefined
  }
}
