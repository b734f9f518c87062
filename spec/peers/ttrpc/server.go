package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
)

// gate holds the calls of Hold until they are released by name.
type gate struct {
	mu    sync.Mutex
	names map[string]chan struct{}
}

func (g *gate) of(name string) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.names[name] == nil {
		g.names[name] = make(chan struct{})
	}
	return g.names[name]
}

var held = gate{names: map[string]chan struct{}{}}

func errorText(err error) interface{} {
	if err == nil {
		return nil
	}
	return err.Error()
}

func metadataOf(ctx context.Context) ttrpc.MD {
	if md, ok := ttrpc.GetMetadata(ctx); ok {
		return md
	}
	return ttrpc.MD{}
}

func deadlineMs(ctx context.Context) interface{} {
	if deadline, ok := ctx.Deadline(); ok {
		return float64(time.Until(deadline)) / float64(time.Millisecond)
	}
	return nil
}

type unmarshal = func(interface{}) error

func echo(_ context.Context, decode unmarshal) (interface{}, error) {
	message := &bytesValue{}
	if err := decode(message); err != nil {
		return nil, err
	}
	return message, nil
}

var methods = map[string]ttrpc.Method{
	// BytesValue, and the same again.
	"Echo": echo,

	// A google.rpc.Status, with which the call fails.
	"Fail": func(_ context.Context, decode unmarshal) (interface{}, error) {
		wanted := &spb.Status{}
		if err := decode(wanted); err != nil {
			return nil, err
		}
		return nil, status.ErrorProto(wanted)
	},

	// BytesValue; the call's metadata and the milliseconds to its deadline, as JSON in a StringValue.
	"Context": func(ctx context.Context, decode unmarshal) (interface{}, error) {
		if err := decode(&bytesValue{}); err != nil {
			return nil, err
		}
		text, err := json.Marshal(event{"metadata": metadataOf(ctx), "deadlineMs": deadlineMs(ctx)})
		return &stringValue{Value: string(text)}, err
	},

	// StringValue, a name: waits for the end of its context.
	"Wait": func(ctx context.Context, decode unmarshal) (interface{}, error) {
		name := &stringValue{}
		if err := decode(name); err != nil {
			return nil, err
		}
		say(event{"event": "started", "method": "Wait", "name": name.Value})
		<-ctx.Done()
		say(event{"event": "ended", "method": "Wait", "name": name.Value, "error": errorText(ctx.Err())})
		return nil, ctx.Err()
	},

	// StringValue, a name: waits for the line "release NAME" on our input, whatever becomes of its context.
	"Hold": func(ctx context.Context, decode unmarshal) (interface{}, error) {
		name := &stringValue{}
		if err := decode(name); err != nil {
			return nil, err
		}
		say(event{"event": "started", "method": "Hold", "name": name.Value})
		<-held.of(name.Value)
		say(event{"event": "ended", "method": "Hold", "name": name.Value, "error": errorText(ctx.Err())})
		return name, nil
	},

	// Int64Value: milliseconds to sleep.
	"Sleep": func(_ context.Context, decode unmarshal) (interface{}, error) {
		ms := &int64Value{}
		if err := decode(ms); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(ms.Value) * time.Millisecond)
		return ms, nil
	},

	// Int64Value: so many bytes in a BytesValue.
	"Big": func(_ context.Context, decode unmarshal) (interface{}, error) {
		size := &int64Value{}
		if err := decode(size); err != nil {
			return nil, err
		}
		return &bytesValue{Value: make([]byte, size.Value)}, nil
	},
}

// serve obeys the lines of its input: "shutdown" (answers what is in flight, or tries to), "close", "release NAME".
func serve(listener net.Listener) {
	server, err := ttrpc.NewServer()
	if err != nil {
		fail(err)
	}
	register(server)
	say(event{"event": "listening", "address": listener.Addr().String(), "streams": hasStreams})
	go func() {
		err := server.Serve(context.Background(), listener)
		say(event{"event": "served", "error": errorText(err)})
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		command := strings.SplitN(lines.Text(), " ", 2)
		switch command[0] {
		case "shutdown":
			go func() { say(event{"event": "shutdown", "error": errorText(server.Shutdown(context.Background()))}) }()
		case "close":
			say(event{"event": "closed", "error": errorText(server.Close())})
		case "release":
			close(held.of(command[1]))
		default:
			fail(fmt.Errorf("no command %q", lines.Text()))
		}
	}
}
