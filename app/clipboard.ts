/** Copies a text. @returns whether the browser let it */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Pages without TLS have no clipboard, and some browsers refuse it: a selection can be copied still.
    return copySelected(text)
  }
}

function copySelected(text: string): boolean {
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'sr-only'
  // Above a dialog, what is outside it cannot be selected.
  const parent = document.querySelector('dialog[open]') ?? document.body
  const focused = document.activeElement as HTMLElement | null
  parent.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  focused?.focus()
  return done
}
