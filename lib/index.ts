// For users: connections with a reader and a writer, …
export { openConnection, openUnixConnection, startServer, startUnixServer } from './streams/open.ts'
export { Endpoint, endpointFromString } from './streams/endpointFromString.ts'
export type { EndpointConnectOptions, EndpointListenOptions } from './endpoints/endpointScheme.ts'
export type {
  AnyReader,
  ReaderFactory,
  StreamClasses,
  StreamProtocolFactory,
  Streams,
} from './streams/streamClasses.ts'
export { HandlerServer } from './streams/handlerServer.ts'
export { StreamServer } from './streams/streamServer.ts'
export {
  StreamReader,
  type ReadAttempt,
  type ReadUntilOptions,
  type Separator,
  type StreamReaderOptions,
} from './streams/streamReader.ts'
export type { MinRate, ReadOptions } from './streams/readProgress.ts'
export type { NumberFormat, NumberOf } from './streams/numberFormat.ts'
export { StreamWriter, type WriterTlsOptions } from './streams/streamWriter.ts'
export {
  StreamReaderProtocol,
  type ClientConnectedCallback,
  type StreamReaderProtocolOptions,
  type WriterFactory,
} from './streams/streamReaderProtocol.ts'
export {
  createSubprocessExec,
  createSubprocessShell,
  type PipeStream,
  type ProcessOf,
  type ProcessOptions,
} from './streams/createSubprocessExec.ts'
export { Process, type Communicated } from './streams/process.ts'
export { copyBidirectional, type Halves } from './streams/copyBidirectional.ts'
export { openStdio } from './streams/openStdio.ts'
export { fromNodeStream, type FromStreamOptions } from './streams/interop/fromNodeStream.ts'
export { fromWeb, type WebPair } from './streams/interop/fromWeb.ts'
export type { StreamPair } from './streams/interop/halves.ts'
export { toNodeStream } from './streams/interop/toNodeStream.ts'
export { toWeb, type WebStreams } from './streams/interop/toWeb.ts'

// … connections with a protocol, …
export {
  createConnection,
  createUnixConnection,
  type ConnectOptions,
  type TcpConnectOptions,
  type UnixConnectOptions,
} from './endpoints/connect.ts'
export { connectAcceptedSocket, type AcceptedSocketOptions } from './endpoints/connectAcceptedSocket.ts'
export { listenFds, type ListenFd } from './endpoints/listenFds.ts'
export { connectDuplex, type DuplexOptions } from './endpoints/connectDuplex.ts'
export { connectReadPipe, connectStdio, connectWritePipe, type PipeOptions } from './endpoints/connectPipe.ts'
export {
  createServer,
  createUnixServer,
  type ListenOptions,
  type TcpListenOptions,
  type UnixListenOptions,
} from './endpoints/listen.ts'
export {
  createDatagramEndpoint,
  type DatagramOptions,
  type DatagramProtocolFactory,
} from './endpoints/createDatagramEndpoint.ts'
export {
  subprocessExec,
  subprocessShell,
  type Stdio,
  type SubprocessOptions,
  type SubprocessProtocolFactory,
} from './endpoints/subprocessExec.ts'
export { sendFile, type SendFileOptions } from './endpoints/sendFile.ts'
export type { StartTlsOptions, TlsClientOptions, TlsConnectOptions, TlsServerOptions } from './tlsOptions.ts'
export { Backoff, type BackoffOptions } from './endpoints/backoff.ts'
export {
  ReconnectingClient,
  type ReconnectingAttempt,
  type ReconnectingOptions,
  type ReconnectingState,
} from './endpoints/reconnectingClient.ts'
export { chooseProtocol, type ChooseProtocolOptions } from './endpoints/chooseProtocol.ts'
export type { ProxyProtocolOptions } from './endpoints/proxyReceiver.ts'
export { proxyHeader, type ProxyHeaderOptions } from './transports/proxyHeader.ts'
export type { ServerSocket } from './endpoints/listener.ts'
export { Server, type CloseOptions } from './endpoints/server.ts'
export { capture, type CaptureOptions } from './layers/capture.ts'
export { PcapFile, type PcapFileOptions } from './layers/pcapFile.ts'
export { idleEvents, type IdleEventsOptions, type IdleKind } from './layers/idleEvents.ts'
export { throttle, type ThrottleOptions } from './layers/throttle.ts'
export { TokenBucket, type TokenBucketOptions } from './layers/tokenBucket.ts'
export {
  BaseProtocol,
  BufferedProtocol,
  DatagramProtocol,
  Protocol,
  SubprocessProtocol,
  type AnyProtocol,
  type ProtocolFactory,
} from './protocol.ts'

// … and what can go wrong.
export {
  CancelledError,
  ConnectError,
  ConnectionLostError,
  DecodeError,
  FrameError,
  FrameTooLargeError,
  IncompleteReadError,
  InvalidFrameError,
  InvalidStateError,
  LimitOverrunError,
  MillraceError,
  NotImplementedError,
  ProcessLookupError,
  SendFileError,
  TimeoutError,
  TlsHandshakeError,
  UnknownTypeError,
  type PeerName,
} from './errors.ts'
export type { WaitOptions, WaitScope } from './wait.ts'

// For library authors: transports of their own.
export {
  BaseTransport,
  DatagramTransport,
  ReadTransport,
  SubprocessTransport,
  Transport,
  WriteTransport,
  type AbortOptions,
  type BufferLimits,
  type DatagramAddress,
  type Encoder,
  type ExtraInfo,
  type ProxyInfo,
} from './transport.ts'
export { feedDataToBufferedProto } from './protocol.ts'
export { FlowControlMixin, type FlowControlled } from './transports/flowControlMixin.ts'
export { hexDump } from './layers/hexDump.ts'
export { logTraffic, type LogTrafficOptions } from './layers/logTraffic.ts'
export { stackLayers, type Layer } from './layers/layer.ts'
export { LayerTransport } from './layers/layerTransport.ts'
export { LoggingTransport } from './layers/loggingTransport.ts'
export { TransportWrapper } from './transports/transportWrapper.ts'
export { ByteQueue } from './bytes/byteQueue.ts'
export { OutgoingBuffer } from './bytes/outgoingBuffer.ts'
export type { ConnectionEvent, ErrorHandler } from './diagnostics.ts'
export type { FrameEvent } from './frameEvents.ts'
export type { RpcEvent } from './rpcEvents.ts'
