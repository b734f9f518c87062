import * as compression from '../lib/compression/index.ts'
import * as framing from '../lib/framing/index.ts'
import * as main from '../lib/index.ts'
import * as messages from '../lib/messages/index.ts'
import * as protobuf from '../lib/protobuf/index.ts'
import * as rpc from '../lib/rpc/index.ts'
import * as testing from '../lib/testing/index.ts'

// A change of the public names is a visible diff here.
describe('the public names', () => {
  it('of millrace', () => {
    expect(Object.keys(main).sort()).toMatchInlineSnapshot(`
     [
       "Backoff",
       "BaseProtocol",
       "BaseTransport",
       "BufferedProtocol",
       "ByteQueue",
       "CancelledError",
       "ConnectError",
       "ConnectionLostError",
       "DatagramProtocol",
       "DatagramTransport",
       "DecodeError",
       "Endpoint",
       "FlowControlMixin",
       "FrameError",
       "FrameTooLargeError",
       "HandlerServer",
       "IncompleteReadError",
       "InvalidFrameError",
       "InvalidStateError",
       "LayerTransport",
       "LimitOverrunError",
       "LoggingTransport",
       "MillraceError",
       "NotImplementedError",
       "OutgoingBuffer",
       "PcapFile",
       "Process",
       "ProcessLookupError",
       "Protocol",
       "ReadTransport",
       "ReconnectingClient",
       "SendFileError",
       "Server",
       "StreamReader",
       "StreamReaderProtocol",
       "StreamServer",
       "StreamWriter",
       "SubprocessProtocol",
       "SubprocessTransport",
       "TimeoutError",
       "TlsHandshakeError",
       "TokenBucket",
       "Transport",
       "TransportWrapper",
       "UnknownTypeError",
       "WriteTransport",
       "capture",
       "chooseProtocol",
       "connectAcceptedSocket",
       "connectDuplex",
       "connectReadPipe",
       "connectStdio",
       "connectWritePipe",
       "copyBidirectional",
       "createConnection",
       "createDatagramEndpoint",
       "createServer",
       "createSubprocessExec",
       "createSubprocessShell",
       "createUnixConnection",
       "createUnixServer",
       "endpointFromString",
       "feedDataToBufferedProto",
       "fromNodeStream",
       "fromWeb",
       "hexDump",
       "idleEvents",
       "listenFds",
       "logTraffic",
       "openConnection",
       "openStdio",
       "openUnixConnection",
       "proxyHeader",
       "sendFile",
       "stackLayers",
       "startServer",
       "startUnixServer",
       "subprocessExec",
       "subprocessShell",
       "throttle",
       "toNodeStream",
       "toWeb",
     ]
    `)
  })

  it('of millrace/framing', () => {
    expect(Object.keys(framing).sort()).toMatchInlineSnapshot(`
     [
       "ByteQueue",
       "FramedProtocol",
       "FramedReader",
       "FramedWriter",
       "Int16StringReceiverProtocol",
       "Int32StringReceiverProtocol",
       "Int8StringReceiverProtocol",
       "IntNStringReceiverProtocol",
       "LengthPrefixedReader",
       "LengthPrefixedWriter",
       "MessageDecoder",
       "OutgoingBuffer",
       "StatefulStringProtocol",
       "cobs",
       "composed",
       "delimited",
       "encodeMessage",
       "fixedLength",
       "framed",
       "grpcPrefixed",
       "jsonLines",
       "jsonObjects",
       "lengthPrefixed",
       "lines",
       "mapCodec",
       "netstrings",
       "readVarint",
       "slip",
       "varintPrefixed",
       "writeVarint",
     ]
    `)
  })

  it('of millrace/messages', () => {
    expect(Object.keys(messages).sort()).toMatchInlineSnapshot(`
     [
       "FramedMessages",
       "MessageProtocol",
       "MessageStream",
       "MessageStreamProtocol",
       "MessageTransport",
       "memoryMessageStreams",
       "openDatagrams",
       "openMessageStream",
       "startMessageServer",
     ]
    `)
  })

  it('of millrace/compression', () => {
    expect(Object.keys(compression).sort()).toMatchInlineSnapshot(`
     [
       "CompressedTransport",
       "compressDuplex",
       "compressLayer",
       "compressProtocol",
       "compressStreams",
       "compressed",
     ]
    `)
  })

  it('of millrace/protobuf', () => {
    expect(Object.keys(protobuf).sort()).toMatchInlineSnapshot(`
     [
       "ProtobufReader",
       "ProtobufWriter",
       "messageType",
       "oneofEnvelope",
       "protobuf",
       "typedEnvelope",
     ]
    `)
  })

  it('of millrace/rpc', () => {
    expect(Object.keys(rpc).sort()).toMatchInlineSnapshot(`
     [
       "Channel",
       "Health",
       "HealthService",
       "Metadata",
       "Pushable",
       "Reflection",
       "ReflectionService",
       "RpcError",
       "RpcServer",
       "Status",
       "connect",
       "createClient",
       "rpcImpl",
       "service",
       "statusName",
     ]
    `)
  })

  it('of millrace/testing', () => {
    expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
     [
       "Clog",
       "FakeClock",
       "RecordingProtocol",
       "ScriptedPeer",
       "checkCodec",
       "checkHalfCloseable",
       "checkMessageStream",
       "checkOneWay",
       "checkTransport",
       "checkTwoWay",
       "halfCloseableChecks",
       "memoryClient",
       "memoryPair",
       "memoryStreams",
       "messageStreamChecks",
       "oneWayChecks",
       "scriptedPeer",
       "transportChecks",
       "twoWayChecks",
     ]
    `)
  })
})
