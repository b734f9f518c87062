// A service over Go's ttrpc, and its client: docs/rpc-go.md runs them against millrace.
//
//	go run greeter.go serve 127.0.0.1:5555
//	go run greeter.go call 127.0.0.1:5555
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "greeter.v1.Greeter"

func hello(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
	name := &wrapperspb.StringValue{}
	if err := unmarshal(name); err != nil {
		return nil, err
	}
	if name.Value == "" {
		return nil, status.Error(codes.InvalidArgument, "who are you?")
	}
	return wrapperspb.String("hello " + name.Value), nil
}

func count(_ context.Context, stream ttrpc.StreamServer) (interface{}, error) {
	to := &wrapperspb.Int32Value{}
	if err := stream.RecvMsg(to); err != nil {
		return nil, err
	}
	for i := int32(1); i <= to.Value; i++ {
		if err := stream.SendMsg(wrapperspb.Int32(i)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func serve(address string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	server.RegisterService(service, &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{"Hello": hello},
		Streams: map[string]ttrpc.Stream{"Count": {Handler: count, StreamingServer: true}},
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("serving on", listener.Addr())
	return server.Serve(context.Background(), listener)
}

func call(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(conn)
	defer client.Close()
	ctx := context.Background()
	answer := &wrapperspb.StringValue{}
	if err := client.Call(ctx, service, "Hello", wrapperspb.String("Go"), answer); err != nil {
		return err
	}
	fmt.Println(answer.Value)
	desc := &ttrpc.StreamDesc{StreamingServer: true}
	stream, err := client.NewStream(ctx, desc, service, "Count", wrapperspb.Int32(3))
	if err != nil {
		return err
	}
	for {
		number := &wrapperspb.Int32Value{}
		if err := stream.RecvMsg(number); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		fmt.Println(number.Value)
	}
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: greeter serve|call HOST:PORT")
	}
	run := call
	if os.Args[1] == "serve" {
		run = serve
	}
	if err := run(os.Args[2]); err != nil {
		log.Fatal(err)
	}
}
