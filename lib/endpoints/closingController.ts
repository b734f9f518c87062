import { setMaxListeners } from 'node:events'

/** What tells that a server closes: as many may listen as there are connections, without a warning. */
export function closingController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
