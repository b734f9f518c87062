// For users.
export { service, type AnyMethods, type Service, type ServiceOptions } from './service.ts'
export { connect, createClient, type ClientOptions, type ConnectedClient, type RpcConnectOptions } from './connect.ts'
export { Channel } from './channel.ts'
export type { ChannelCloseOptions, ChannelOptions, ChannelState } from './channelOptions.ts'
export type { Dial, DialEndpoint, DialOptions, RpcEndpoint, RpcEndpoints, TcpEndpoint, UnixEndpoint } from './dial.ts'
export type { RetryOptions } from './retry.ts'
export type { CallOptions, Client, RequestStream, ResponseStream } from './client.ts'
export type { CallContext, Handlers } from './handlers.ts'
export {
  RpcServer,
  type AddOptions,
  type MakeServer,
  type RpcAddress,
  type RpcListenOptions,
  type RpcServerOptions,
  type ShutdownOptions,
} from './rpcServer.ts'
export type { Interceptor, InterceptorHooks } from './interceptor.ts'
export type { ClientCallContext } from './intercepted.ts'
export {
  Health,
  HealthService,
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
  type ServingStatus,
} from './health.ts'
export { Reflection, type ReflectionOptions, type ReflectionServer } from './reflection.ts'
export {
  ReflectionService,
  type ReflectionExtension,
  type ReflectionRequest,
  type ReflectionResponse,
} from './reflectionService.ts'
export { rpcImpl, type RpcImpl, type RpcImplMethod } from './rpcImpl.ts'
export { Metadata, type MetadataInit } from './metadata.ts'
export { Pushable, type PushableOptions } from './pushable.ts'
export { RpcError, type Any, type DetailInit, type RpcErrorOptions } from './rpcError.ts'
export { Status, statusName } from './status.ts'

// For those who write services by hand, or tools.
export type { BidiMethod, ClientStreamMethod, Method, Methods, ServerStreamMethod, UnaryMethod } from './method.ts'
export type {
  DefinedMethods,
  MethodDefinition,
  ReflectedService,
  ServiceDefinition,
  StaticMethodOptions,
  StaticMethods,
  StaticServiceClass,
} from './serviceSource.ts'
