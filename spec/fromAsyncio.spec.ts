import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as main from '../lib/index.ts'
import * as structured from '../lib/structured/index.ts'

// Where both have a name, that of the main entry is meant.
const millrace = { ...structured, ...main }

const page = readFileSync(join(__dirname, '../docs/from-asyncio.md'), 'utf8')
const rows = [...page.matchAll(/^\| (.*?) *\| (.*?) *\| (.*?) *\|$/gm)]
  .map(([, theirs, ours, difference]) => ({ theirs: theirs!, ours: ours!, difference: difference! }))
  .filter(({ theirs }) => theirs !== 'asyncio' && !theirs.startsWith('---'))

/** What of asyncio is public in this field: each needs a name here, or a reason. */
const ASYNCIO = `
  get_extra_info is_closing close set_protocol get_protocol is_reading pause_reading resume_reading
  set_write_buffer_limits get_write_buffer_limits get_write_buffer_size write writelines write_eof can_write_eof abort
  sendto get_pid get_returncode get_pipe_transport send_signal terminate kill _FlowControlMixin set_read_buffer_limits
  connection_made connection_lost pause_writing resume_writing data_received eof_received get_buffer buffer_updated
  datagram_received error_received pipe_data_received pipe_connection_lost process_exited
  close_clients abort_clients start_serving is_serving serve_forever wait_closed sockets get_loop
  open_connection start_server open_unix_connection start_unix_server read readline readuntil readexactly at_eof
  __aiter__ feed_data feed_eof set_exception exception set_transport drain transport start_tls StreamReaderProtocol
  IncompleteReadError LimitOverrunError CancelledError InvalidStateError TimeoutError SendfileNotAvailableError
  create_connection create_server create_unix_connection create_unix_server connect_accepted_socket
  create_datagram_endpoint connect_read_pipe connect_write_pipe sendfile subprocess_exec subprocess_shell
  create_subprocess_exec create_subprocess_shell wait communicate
  add_reader add_writer remove_reader remove_writer sock_recv sock_recv_into sock_recvfrom sock_sendall sock_sendto
  sock_connect sock_accept sock_sendfile call_soon call_soon_threadsafe call_later call_at time Handle TimerHandle
  create_task create_future set_task_factory run_in_executor set_default_executor shutdown_default_executor
  add_signal_handler remove_signal_handler getaddrinfo getnameinfo set_exception_handler call_exception_handler
  default_exception_handler set_debug slow_callback_duration run_forever run_until_complete stop is_running is_closed
  Runner run TransportSocket ssl server_hostname ssl_handshake_timeout ssl_shutdown_timeout SSLProtocol
`
  .trim()
  .split(/\s+/)

describe('docs/from-asyncio.md', () => {
  it.each(ASYNCIO)('has %s', (name) => {
    const named = rows.filter(({ theirs }) => new RegExp(`\`(\\w+\\.)*${name}\``).test(theirs))
    expect(named).not.toEqual([])
  })

  it('names only what there is', () => {
    const prose = page.split('\n').filter((line) => !line.startsWith('|'))
    const text = [...prose, ...rows.map(({ ours, difference }) => `${ours} ${difference}`)].join('\n')
    const names = [...text.matchAll(/`([A-Za-z]+)(?:\.([A-Za-z]+))?`/g)]
      .map(([, name, member]) => [name!, member] as const)
      .filter(([name]) => name in millrace)
    expect(names.length).toBeGreaterThan(100)
    const missing = names.filter(([name, member]) => {
      if (member === undefined) return false
      const { prototype } = (millrace as unknown as Record<string, { prototype?: object }>)[name]!
      return prototype === undefined || !(member in prototype)
    })
    expect(missing.map((each) => each.join('.'))).toEqual([])
  })

  it('names something for each, or says why not', () => {
    const known = new Set(Object.keys(millrace))
    const wrong = rows.filter(({ ours, difference }) => {
      if (ours === 'none') return difference === ''
      const name = /^`(\w+)[.`]/.exec(ours)?.[1]
      return name !== undefined && !known.has(name) && name !== 'getExtraInfo'
    })
    expect(wrong).toEqual([])
    expect(rows.filter(({ ours }) => ours === '')).toEqual([])
  })
})
