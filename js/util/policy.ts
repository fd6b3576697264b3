/** What a page's Content-Security-Policy forbids: browsers tell that in an event, and not in the error. */

/** Milliseconds after a failure in which its event comes: Chromium sends it later than the error. */
const LATE = 100
/** Events that are kept: few are under way at once. */
const MOST = 20

let events: readonly SecurityPolicyViolationEvent[] | undefined

/**
 * Gives a function that finds, after a failure, the directive that forbade something from now on.
 * @param directives whose names match
 * @param address only where this is what was forbidden
 */
export function watchPolicy(directives: RegExp, address?: string): () => Promise<string | undefined> {
  // Node has no such events.
  if (!globalThis.addEventListener) return async () => undefined
  if (!events) {
    globalThis.addEventListener('securitypolicyviolation', (event) => {
      events = [...events!.slice(-MOST), event as SecurityPolicyViolationEvent]
    })
    events = []
  }
  const begin = performance.now()
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, LATE))
    return events!.find(
      ({ timeStamp, effectiveDirective, blockedURI, disposition }) =>
        timeStamp >= begin &&
        directives.test(effectiveDirective) &&
        disposition !== 'report' &&
        (!address || address.startsWith(blockedURI)),
    )?.effectiveDirective
  }
}
