import { NotImplementedError } from '../errors.ts'

/** Throws {@link NotImplementedError} where this Node does not have the option `reusePort`. */
export function requireReusePort(): void {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  if (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)) return
  throw new NotImplementedError(`reusePort needs Node 22.12 or later, this is ${process.version}`)
}
