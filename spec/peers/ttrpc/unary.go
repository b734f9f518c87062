//go:build unary

// For a ttrpc older than 1.2 (Debian 12 has 1.1), which has no streams.

package main

import (
	"context"
	"errors"

	"github.com/containerd/ttrpc"
	"github.com/gogo/protobuf/types"
)

const hasStreams = false

type (
	bytesValue  = types.BytesValue
	stringValue = types.StringValue
	int64Value  = types.Int64Value
)

var errNoStreams = errors.New("this ttrpc has no streams")

func register(server *ttrpc.Server) { server.Register(serviceName, methods) }

// rawMessage is a message of any type by its bytes.
type rawMessage struct{ bytes []byte }

func (m *rawMessage) Reset()                   { m.bytes = nil }
func (m *rawMessage) String() string           { return string(m.bytes) }
func (m *rawMessage) ProtoMessage()            {}
func (m *rawMessage) Marshal() ([]byte, error) { return m.bytes, nil }
func (m *rawMessage) Unmarshal(bytes []byte) error {
	m.bytes = append([]byte{}, bytes...)
	return nil
}

func raw(bytes []byte) (interface{}, error) { return &rawMessage{bytes}, nil }

func rawBytes(message interface{}) ([]byte, error) { return message.(*rawMessage).bytes, nil }

type clientStream interface {
	CloseSend() error
	SendMsg(interface{}) error
	RecvMsg(interface{}) error
}

func openStream(context.Context, *ttrpc.Client, command) (clientStream, error) {
	return nil, errNoStreams
}

func isProtocolError(error) bool { return false }
