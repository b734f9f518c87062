//go:build !unary

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const hasStreams = true

type (
	bytesValue  = wrapperspb.BytesValue
	stringValue = wrapperspb.StringValue
	int64Value  = wrapperspb.Int64Value
	empty       = emptypb.Empty
)

type serverStream = ttrpc.StreamServer

// received calls f with each message until the client's half has ended.
func received(stream serverStream, f func(*bytesValue) (bool, error)) error {
	for {
		message := &bytesValue{}
		if err := stream.RecvMsg(message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if more, err := f(message); err != nil || !more {
			return err
		}
	}
}

// A StringValue with JSON: {"count": 5, "size": 50, "fail": "text of the error that ends it", "tell": 3}; BytesValues of
// that size, the first four bytes being the number of the message where there is room. It says when it has sent "tell".
func rangeOf(_ context.Context, stream serverStream) (interface{}, error) {
	request := &stringValue{}
	if err := stream.RecvMsg(request); err != nil {
		return nil, err
	}
	var wanted struct {
		Count, Size, Tell int
		Fail              string
	}
	if err := json.Unmarshal([]byte(request.Value), &wanted); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	for i := 0; i < wanted.Count; i++ {
		value := make([]byte, wanted.Size)
		if wanted.Size >= 4 {
			binary.BigEndian.PutUint32(value, uint32(i))
		}
		if err := stream.SendMsg(&bytesValue{Value: value}); err != nil {
			say(event{"event": "ended", "method": "Range", "sent": i, "error": errorText(err)})
			return nil, err
		}
		if i+1 == wanted.Tell {
			say(event{"event": "sent", "method": "Range", "count": i + 1})
		}
	}
	if wanted.Fail != "" {
		return nil, status.Error(codes.Aborted, wanted.Fail)
	}
	return nil, nil
}

var streams = map[string]ttrpc.Stream{
	"Range": {StreamingServer: true, Handler: rangeOf},

	// StringValue, a name: sends it once, then waits for the end of its context.
	"Watch": {StreamingServer: true, Handler: func(ctx context.Context, stream serverStream) (interface{}, error) {
		name := &stringValue{}
		if err := stream.RecvMsg(name); err != nil {
			return nil, err
		}
		if err := stream.SendMsg(name); err != nil {
			return nil, err
		}
		say(event{"event": "started", "method": "Watch", "name": name.Value})
		<-ctx.Done()
		say(event{"event": "ended", "method": "Watch", "name": name.Value, "error": errorText(ctx.Err())})
		return nil, ctx.Err()
	}},

	// Empty: nothing but an end.
	"Nothing": {StreamingServer: true, Handler: func(_ context.Context, stream serverStream) (interface{}, error) {
		return nil, stream.RecvMsg(&empty{})
	}},

	// BytesValues; their bytes in one.
	"Concat": {StreamingClient: true, Handler: func(_ context.Context, stream serverStream) (interface{}, error) {
		all := &bytesValue{}
		err := received(stream, func(message *bytesValue) (bool, error) {
			all.Value = append(all.Value, message.Value...)
			return true, nil
		})
		return all, err
	}},

	// BytesValues; their number, in an Int64Value.
	"Count": {StreamingClient: true, Handler: func(_ context.Context, stream serverStream) (interface{}, error) {
		count := &int64Value{}
		err := received(stream, func(*bytesValue) (bool, error) {
			count.Value++
			return true, nil
		})
		return count, err
	}},

	// BytesValues; answers with the first one, before the client has ended its half.
	"First": {StreamingClient: true, Handler: func(_ context.Context, stream serverStream) (interface{}, error) {
		first := &bytesValue{}
		return first, stream.RecvMsg(first)
	}},

	// BytesValues, each sent back. "stop" ends it there and then, "fail" with an error that has details.
	"Talk": {StreamingClient: true, StreamingServer: true, Handler: talk},

	// The same, but it reads nothing before "release talk" on our input.
	"TalkLater": {StreamingClient: true, StreamingServer: true, Handler: func(ctx context.Context, stream serverStream) (interface{}, error) {
		say(event{"event": "started", "method": "TalkLater"})
		<-held.of("talk")
		return talk(ctx, stream)
	}},
}

func talk(ctx context.Context, stream serverStream) (interface{}, error) {
	count := 0
	err := received(stream, func(message *bytesValue) (bool, error) {
		count++
		switch string(message.Value) {
		case "stop":
			return false, nil
		case "fail":
			failure, err := status.New(codes.Aborted, "told to fail").WithDetails(message)
			if err != nil {
				return false, err
			}
			return false, failure.Err()
		}
		return true, stream.SendMsg(message)
	})
	say(event{"event": "ended", "method": "Talk", "received": count, "error": errorText(err)})
	return nil, err
}

func register(server *ttrpc.Server) {
	server.RegisterService(serviceName, &ttrpc.ServiceDesc{Methods: methods, Streams: streams})
}

// raw is a message of any type by its bytes: to Empty all fields are unknown, and kept.
func raw(bytes []byte) (interface{}, error) {
	message := &empty{}
	return message, proto.Unmarshal(bytes, message)
}

func rawBytes(message interface{}) ([]byte, error) {
	return proto.Marshal(message.(*empty))
}

type clientStream = ttrpc.ClientStream

func openStream(ctx context.Context, client *ttrpc.Client, c command) (clientStream, error) {
	var request interface{}
	if !c.ClientStreams || c.Payload != nil {
		var err error
		if request, err = raw(c.Payload); err != nil {
			return nil, err
		}
	}
	desc := &ttrpc.StreamDesc{StreamingClient: c.ClientStreams, StreamingServer: c.ServerStreams}
	return client.NewStream(ctx, desc, c.Service, c.Method, request)
}

func isProtocolError(err error) bool { return errors.Is(err, ttrpc.ErrProtocol) }
