/**
 * Threads need a page that is cross-origin isolated: its host sends two headers, or the app's service worker adds them. The
 * page that registered it has to be loaded anew for that: once, and only while nothing has been done in it.
 */
import { backend, current, loading, server, threadsNote } from './session.ts'

const RELOADED = 'cria-reloaded'

/** Registers the service worker, which also makes the app work offline. */
export async function isolate(): Promise<void> {
  // A server has the headers, and other programs may have its port tomorrow.
  if (server) return tell('The server is not asked by https or localhost')
  if (!isSecureContext) return tell('This page came neither by https nor from localhost')
  if (!('serviceWorker' in navigator)) return tell('This browser has no service workers here')
  try {
    const trusted = trustedUrl('service-worker.js')
    await navigator.serviceWorker.register(trusted)
    await navigator.serviceWorker.ready
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) =>
        navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }),
      )
    }
  } catch (error) {
    return tell(`No service worker could start (${(error as Error).message})`)
  }
  if (crossOriginIsolated) return sessionStorage.removeItem(RELOADED)
  if (sessionStorage.getItem(RELOADED)) return tell('This browser does not isolate the page')
  const busy = backend.value !== undefined || loading.value !== undefined || current.value.turns.length > 0
  if (busy) {
    threadsNote.value = { text: 'Models run on one thread until this page is loaded again.', reload: true }
    return
  }
  sessionStorage.setItem(RELOADED, 'yes')
  location.reload()
}

function tell(why: string): void {
  if (!crossOriginIsolated) threadsNote.value = { text: `${why}, so models run on one thread.`, reload: false }
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string }
}

/** An address of the app's own as a page with Trusted Types takes it. */
function trustedUrl(name: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  const url = new URL(name, document.baseURI).href
  return trustedTypes ? trustedTypes.createPolicy('cria-app', { createScriptURL: () => url }).createScriptURL(url) : url
}
