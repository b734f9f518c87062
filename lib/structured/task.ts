import type { Cancellation, WaitLink, WaitScope } from '../wait.ts'

export class Task<T> implements WaitScope {
  declare readonly value: T
  readonly cancellation: Cancellation | undefined = undefined
  watch(_: WaitLink): void {}
}
