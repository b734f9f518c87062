package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
)

// command is one line of the client's input, as JSON. Payloads are encoded messages (base64 in JSON), of any type.
//
//	{"op": "unary", "id": 1, "method": "Echo", "payload": "…", "timeoutMs": 100, "metadata": {"key": ["value"]}}
//	{"op": "many", "id": 2, "method": "Echo", "payload": "…", "count": 1000}         all at once
//	{"op": "open", "id": 3, "method": "Talk", "clientStreams": true, "serverStreams": true}
//	{"op": "send", "id": 3, "payload": "…"}   {"op": "closeSend", "id": 3}   {"op": "receive", "id": 3, "count": 2}
//	{"op": "cancel", "id": 3}                                                        the call's context
//	{"op": "close"}                                                                  the connection
//
// Each has its answer, in lines with its id.
type command struct {
	Op            string              `json:"op"`
	ID            int                 `json:"id"`
	Service       string              `json:"service"`
	Method        string              `json:"method"`
	Payload       []byte              `json:"payload"`
	TimeoutMs     float64             `json:"timeoutMs"`
	Metadata      map[string][]string `json:"metadata"`
	Count         int                 `json:"count"`
	ClientStreams bool                `json:"clientStreams"`
	ServerStreams bool                `json:"serverStreams"`
}

func (c command) context() (context.Context, context.CancelFunc) {
	ctx := context.Background()
	if c.Metadata != nil {
		ctx = ttrpc.WithMetadata(ctx, ttrpc.MD(c.Metadata))
	}
	if c.TimeoutMs > 0 {
		return context.WithTimeout(ctx, time.Duration(c.TimeoutMs*float64(time.Millisecond)))
	}
	return context.WithCancel(ctx)
}

// outcome says how a call, or one receive, has ended. "closed" and "protocol" are Go's own kinds of failure.
func outcome(e event, err error, payload []byte) event {
	switch {
	case err == nil:
		e["payload"] = payload
	case err == io.EOF:
		e["end"] = true
	default:
		e["error"] = err.Error()
		switch {
		case errors.Is(err, ttrpc.ErrClosed):
			e["kind"] = "closed"
		case errors.Is(err, context.Canceled):
			e["kind"] = "cancelled"
		case errors.Is(err, context.DeadlineExceeded):
			e["kind"] = "deadline"
		case isProtocolError(err):
			e["kind"] = "protocol"
		}
		if s, ok := status.FromError(err); ok {
			details := []event{}
			for _, any := range s.Proto().Details {
				details = append(details, event{"typeUrl": any.TypeUrl, "value": any.Value})
			}
			e["kind"], e["code"], e["message"], e["details"] = "status", int(s.Code()), s.Message(), details
		}
	}
	return e
}

func call(ctx context.Context, client *ttrpc.Client, c command) ([]byte, error) {
	request, err := raw(c.Payload)
	if err != nil {
		return nil, err
	}
	response, _ := raw(nil)
	if err := client.Call(ctx, c.Service, c.Method, request, response); err != nil {
		return nil, err
	}
	return rawBytes(response)
}

func callMany(client *ttrpc.Client, c command) event {
	ctx, cancel := c.context()
	defer cancel()
	var mu sync.Mutex
	var done sync.WaitGroup
	answers := map[string]int{}
	for i := 0; i < c.Count; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			payload, err := call(ctx, client, c)
			answer := "ok"
			if err != nil {
				answer = err.Error()
			} else if string(payload) != string(c.Payload) {
				answer = "another payload"
			}
			mu.Lock()
			defer mu.Unlock()
			answers[answer]++
		}()
	}
	done.Wait()
	return event{"id": c.ID, "answers": answers}
}

// stream has a goroutine that carries out its commands, one after the other.
type stream struct{ queue chan command }

func (s *stream) run(ctx context.Context, client *ttrpc.Client, opening command) {
	id := opening.ID
	opened, err := openStream(ctx, client, opening)
	say(outcome(event{"id": id, "op": "open"}, err, nil))
	if err != nil {
		return
	}
	for c := range s.queue {
		switch c.Op {
		case "send":
			message, err := raw(c.Payload)
			for i := 0; err == nil && i < max1(c.Count); i++ {
				err = opened.SendMsg(message)
			}
			say(outcome(event{"id": id, "op": "send"}, err, nil))
		case "closeSend":
			say(outcome(event{"id": id, "op": "closeSend"}, opened.CloseSend(), nil))
		case "receive":
			for i := 0; i < max1(c.Count); i++ {
				message, _ := raw(nil)
				var payload []byte
				err := opened.RecvMsg(message)
				if err == nil {
					payload, err = rawBytes(message)
				}
				say(outcome(event{"id": id, "op": "receive"}, err, payload))
				if err != nil {
					break
				}
			}
		}
	}
}

func max1(n int) int {
	if n < 1 {
		return 1
	}
	return n
}

func runClient(conn net.Conn) {
	client := ttrpc.NewClient(conn, ttrpc.WithOnClose(func() { say(event{"event": "closed"}) }))
	say(event{"event": "connected", "streams": hasStreams})
	streams := map[int]*stream{}
	cancels := map[int]context.CancelFunc{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		c := command{Service: serviceName}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fail(err)
		}
		switch c.Op {
		case "unary":
			ctx, cancel := c.context()
			cancels[c.ID] = cancel
			go func() {
				defer cancel()
				payload, err := call(ctx, client, c)
				say(outcome(event{"id": c.ID, "op": "unary"}, err, payload))
			}()
		case "many":
			go func() { say(callMany(client, c)) }()
		case "open":
			ctx, cancel := c.context()
			cancels[c.ID] = cancel
			streams[c.ID] = &stream{queue: make(chan command, 1<<16)}
			go streams[c.ID].run(ctx, client, c)
		case "send", "closeSend", "receive":
			streams[c.ID].queue <- c
		case "cancel":
			cancels[c.ID]()
		case "close":
			client.Close()
		default:
			fail(fmt.Errorf("no command %q", c.Op))
		}
	}
}
