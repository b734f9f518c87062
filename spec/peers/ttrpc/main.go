// A real ttrpc peer for the specs and the benches: Go's own ttrpc, as server and as client. scripts/go-peer.sh builds it.
//
//	ttrpc-peer server --listen 127.0.0.1:0 | unix:PATH     serves millrace.test.Echo, see server.go and streams.go
//	ttrpc-peer client --connect HOST:PORT | unix:PATH      makes the calls that it is told, see client.go
//	ttrpc-peer bench-server --listen ADDRESS               prints its port; serves Echo and Range alone
//	ttrpc-peer bench-client --connect ADDRESS --concurrency N --seconds S --warmup S [--size BYTES] [--stream]
//
// Server and client print one JSON object per line for all that happens, and end when their input ends.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
)

const serviceName = "millrace.test.Echo"

type event map[string]interface{}

var printing sync.Mutex

// say prints one line; several handlers do so at a time.
func say(e event) {
	line, err := json.Marshal(e)
	if err != nil {
		fail(err)
	}
	printing.Lock()
	defer printing.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "ttrpc-peer:", err)
	os.Exit(1)
}

func network(address string) (string, string) {
	if strings.HasPrefix(address, "unix:") {
		return "unix", strings.TrimPrefix(address, "unix:")
	}
	return "tcp", address
}

func listen(address string) net.Listener {
	listener, err := net.Listen(network(address))
	if err != nil {
		fail(err)
	}
	return listener
}

func dial(address string) net.Conn {
	conn, err := net.Dial(network(address))
	if err != nil {
		fail(err)
	}
	return conn
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("which one: server, client, bench-server, bench-client or version?"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	listenAt := flags.String("listen", "127.0.0.1:0", "")
	connectTo := flags.String("connect", "", "")
	load := load{}
	flags.IntVar(&load.concurrency, "concurrency", 1, "")
	flags.Float64Var(&load.seconds, "seconds", 1, "")
	flags.Float64Var(&load.warmup, "warmup", 1, "")
	flags.IntVar(&load.size, "size", 50, "")
	flags.BoolVar(&load.stream, "stream", false, "")
	_ = flags.Parse(os.Args[2:])
	switch os.Args[1] {
	case "server":
		serve(listen(*listenAt))
	case "client":
		runClient(dial(*connectTo))
	case "bench-server":
		benchServe(listen(*listenAt))
	case "bench-client":
		benchClient(dial(*connectTo), load)
	case "version":
		say(event{"streams": hasStreams})
	default:
		fail(fmt.Errorf("no %s here", os.Args[1]))
	}
}
