/** One socket that was passed to this process. */
export interface ListenFd {
  readonly fd: number
  /** As whoever has passed it calls it; `unknown` by default. */
  readonly name: string
}

/** The first descriptor that is passed. */
const FIRST = 3

/**
 * The listening sockets that were passed to this process by systemd, or by anyone who goes by `sd_listen_fds(3)`, in
 * their order; none if there are none, or if they are meant for another process. Hand them to `createServer` or, for
 * Unix sockets, to `createUnixServer` as `fd`.
 *
 * Removes `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` from the environment, so that children do not take them for
 * theirs; with `unsetEnvironment: false` it leaves them. Throws a RangeError for a `LISTEN_FDS` that is no number.
 */
export function listenFds({ unsetEnvironment = true }: { unsetEnvironment?: boolean | undefined } = {}): ListenFd[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = process.env
  if (unsetEnvironment) for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name]
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(process.pid)) return []
  if (!/^\d{1,4}$/.test(LISTEN_FDS))
    throw new RangeError(`LISTEN_FDS is ${JSON.stringify(LISTEN_FDS)}, which is no number`)
  const names = LISTEN_FDNAMES.split(':')
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) => ({ fd: FIRST + i, name: names[i] || 'unknown' }))
}
