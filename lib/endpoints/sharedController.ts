import { setMaxListeners } from 'node:events'

/** One whose signal many share: as many may listen as there are connections or tasks, without a warning. */
export function sharedController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
