import type { TcpConnectOptions, UnixConnectOptions } from '../endpoints/connect.ts'
import { openConnection as connectTcp, openUnixConnection } from '../streams/open.ts'
import type { AnyReader, StreamClasses, Streams } from '../streams/streamClasses.ts'
import type { StreamReader } from '../streams/streamReader.ts'
import type { StreamWriter } from '../streams/streamWriter.ts'
import { handled, UNCANCELLED } from '../wait.ts'
import { closing } from './closeWith.ts'
import { childrenOf, type Nursery } from './nursery.ts'

export type OpenOptions = TcpConnectOptions | (UnixConnectOptions & { readonly path: string })

/**
 * Connects; the connection belongs to `nursery`. When all children have ended it is closed in good order: what was written
 * is sent, and the nursery ends behind that. If the nursery is cancelled, the connection is aborted. Closing it before does
 * no harm. Otherwise like the main entry's `openConnection`.
 */
export function openConnection<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  nursery: Nursery,
  options: OpenOptions & StreamClasses<R, W>,
): Promise<Streams<R, W>> {
  return handled(open(nursery, options))
}

async function open<R extends AnyReader, W extends StreamWriter>(
  nursery: Nursery,
  options: OpenOptions & StreamClasses<R, W>,
): Promise<Streams<R, W>> {
  childrenOf(nursery).check('openConnection()')
  const streams = await ('path' in options && options.path !== undefined
    ? openUnixConnection<R, W>(options)
    : connectTcp<R, W>(options as TcpConnectOptions & StreamClasses<R, W>))
  const { writer } = streams
  try {
    const remove = closing(nursery, {
      abort: () => writer.transport.abort(),
      close() {
        writer.close()
        // How it was lost has been told to whoever read or wrote.
        return writer.waitClosed({ scope: UNCANCELLED }).catch(() => {})
      },
    })
    writer.waitClosed({ scope: UNCANCELLED }).then(remove, remove)
  } catch (error) {
    writer.transport.abort()
    throw error
  }
  return streams
}
