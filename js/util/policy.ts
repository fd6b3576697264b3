/** What a page's Content-Security-Policy forbids: browsers tell that in an event, and not in the error. */

/** Milliseconds after a failure in which its event comes: Chromium sends it later than the error. */
const LATE = 100

export interface PolicyWatch {
  /** The directive that forbade something, once the work has failed; undefined where the policy is not to blame. */
  broken(): Promise<string | undefined>
  stop(): void
}

/** Watches for directives whose names match; `address`: only where this is what was forbidden. Knows pages and workers. */
export function watchPolicy(directives: RegExp, address?: string): PolicyWatch {
  let found: string | undefined
  let wake = (): void => {}
  const hear = (event: Event): void => {
    const { effectiveDirective, blockedURI, disposition } = event as SecurityPolicyViolationEvent
    if (disposition === 'report' || !directives.test(effectiveDirective)) return
    if (address !== undefined && !address.startsWith(blockedURI)) return
    found ??= effectiveDirective
    wake()
  }
  const told = typeof SecurityPolicyViolationEvent === 'function'
  if (told) globalThis.addEventListener('securitypolicyviolation', hear)
  return {
    async broken() {
      if (told && found === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
          setTimeout(resolve, LATE)
        })
      }
      return found
    },
    stop: () => {
      if (told) globalThis.removeEventListener('securitypolicyviolation', hear)
    },
  }
}
