/** The arguments with this among the options that are the last of them; in an object of its own if there are none. */
export function withOption(args: readonly unknown[], option: object): unknown[] {
  const last = args.at(-1)
  return isOptions(last) ? [...args.slice(0, -1), { ...last, ...option }] : [...args, option]
}

/** Only a plain object is one: other objects may be what the function works on. */
export function isOptions(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  return [Object.prototype, null].includes(Object.getPrototypeOf(value) as object)
}
