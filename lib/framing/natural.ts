/** `value`, if it is a whole number from 0 to 2^53 - 1, as sizes are; else a RangeError that calls it by `name`. */
export function natural(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`${name} must be a whole number from 0 on, not ${value}`)
}
