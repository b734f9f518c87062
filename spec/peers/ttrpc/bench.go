package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/ttrpc"
)

type load struct {
	concurrency, size int
	seconds, warmup   float64
	stream            bool
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// benchServe prints its port alone, and serves until its input ends.
func benchServe(listener net.Listener) {
	server, err := ttrpc.NewServer()
	if err != nil {
		fail(err)
	}
	register(server)
	if at, ok := listener.Addr().(*net.TCPAddr); ok {
		fmt.Println(at.Port)
	} else {
		fmt.Println(listener.Addr())
	}
	go server.Serve(context.Background(), listener)
	for buffer := make([]byte, 1024); ; {
		if _, err := os.Stdin.Read(buffer); err != nil {
			return
		}
	}
}

// benchClient keeps so many calls in flight on one connection; it prints calls per second and what they took.
func benchClient(conn net.Conn, l load) {
	client := ttrpc.NewClient(conn)
	if l.stream {
		benchStream(client, l)
		return
	}
	var measuring, stopped int32
	var calls int64
	var done sync.WaitGroup
	took := make([][]time.Duration, l.concurrency)
	for i := range took {
		i := i
		done.Add(1)
		go func() {
			defer done.Done()
			request := &bytesValue{Value: make([]byte, l.size)}
			for atomic.LoadInt32(&stopped) == 0 {
				start := time.Now()
				if err := client.Call(context.Background(), serviceName, "Echo", request, &bytesValue{}); err != nil {
					fail(err)
				}
				atomic.AddInt64(&calls, 1)
				if atomic.LoadInt32(&measuring) == 1 {
					took[i] = append(took[i], time.Since(start))
				}
			}
		}()
	}
	time.Sleep(seconds(l.warmup))
	atomic.StoreInt32(&measuring, 1)
	start := time.Now()
	time.Sleep(seconds(l.seconds))
	atomic.StoreInt32(&measuring, 0)
	elapsed := time.Since(start)
	atomic.StoreInt32(&stopped, 1)
	done.Wait()
	all := []time.Duration{}
	for _, each := range took {
		all = append(all, each...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		return float64(all[int(share*float64(len(all)-1))]) / float64(time.Millisecond)
	}
	say(event{"rate": float64(len(all)) / elapsed.Seconds(), "all": calls, "p50": at(0.5), "p99": at(0.99)})
}

func benchStream(client *ttrpc.Client, l load) {
	const count = 10_000
	wanted := &stringValue{Value: fmt.Sprintf(`{"count":%d,"size":%d}`, count, l.size)}
	c := command{Service: serviceName, Method: "Range", ServerStreams: true}
	all := 0
	run := func(length time.Duration) float64 {
		received, start := 0, time.Now()
		for time.Since(start) < length {
			c.Payload = append([]byte{0x0a, byte(len(wanted.Value))}, wanted.Value...)
			stream, err := openStream(context.Background(), client, c)
			if err != nil {
				fail(err)
			}
			for i := 0; i < count; i++ {
				if err := stream.RecvMsg(&bytesValue{}); err != nil {
					fail(err)
				}
				received++
			}
			if err := stream.RecvMsg(&bytesValue{}); err == nil {
				fail(fmt.Errorf("a message more than asked for"))
			}
		}
		all += received
		return float64(received) / time.Since(start).Seconds()
	}
	run(seconds(l.warmup))
	rate := run(seconds(l.seconds))
	say(event{"rate": rate, "all": all})
}
