import { runNursery } from './nursery.ts'
import { Loop } from './loop.ts'

export function openLoop<T>(body: (loop: Loop) => Promise<T>): Promise<T> {
  return runNursery(() => body(new Loop()), undefined, true)
}
