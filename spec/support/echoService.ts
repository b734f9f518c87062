/** The service of the Go peer (spec/peers/ttrpc), as a service of ours. */
import protobuf from 'protobufjs'
import {
  connect,
  createClient,
  service,
  type BidiMethod,
  type Channel,
  type Client,
  type ClientStreamMethod,
  type ServerStreamMethod,
  type UnaryMethod,
} from '../../lib/rpc/index.ts'
import { netDefer, type NetAddress } from './netTools.ts'

const { root } = protobuf.parse(
  `syntax = "proto3";
   package millrace.test;
   message BytesValue { bytes value = 1; }
   message StringValue { string value = 1; }
   message Int64Value { int64 value = 1; }
   message Empty {}
   message Any { string type_url = 1; bytes value = 2; }
   message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
   service Echo {
     rpc Echo (BytesValue) returns (BytesValue);
     rpc Fail (Status) returns (Empty);
     rpc Context (BytesValue) returns (StringValue);
     rpc Wait (StringValue) returns (Empty);
     rpc Hold (StringValue) returns (StringValue);
     rpc Big (Int64Value) returns (BytesValue);
     rpc Missing (Empty) returns (Empty);
     rpc Range (StringValue) returns (stream BytesValue);
     rpc Watch (StringValue) returns (stream StringValue);
     rpc Nothing (Empty) returns (stream Empty);
     rpc Concat (stream BytesValue) returns (BytesValue);
     rpc Count (stream BytesValue) returns (Int64Value);
     rpc First (stream BytesValue) returns (BytesValue);
     rpc Talk (stream BytesValue) returns (stream BytesValue);
     rpc TalkLater (stream BytesValue) returns (stream BytesValue);
   }
   service Elsewhere { rpc Echo (BytesValue) returns (BytesValue); }`,
)
root.resolveAll()

interface Bytes {
  value: Uint8Array
}
interface Text {
  value: string
}
interface Int64 {
  value: number | { toNumber(): number }
}
type Empty = Readonly<Record<never, never>>

export const StringValue = root.lookupType('millrace.test.StringValue')
export const Elsewhere = service<{ echo: UnaryMethod<Bytes, Bytes> }>(root.lookupService('millrace.test.Elsewhere'))
export const Echo = service<{
  echo: UnaryMethod<Bytes, Bytes>
  fail: UnaryMethod<object, Empty>
  context: UnaryMethod<Bytes, Text>
  wait: UnaryMethod<Text, Empty>
  hold: UnaryMethod<Text, Text>
  big: UnaryMethod<Int64, Bytes>
  missing: UnaryMethod<Empty, Empty>
  range: ServerStreamMethod<Text, Bytes>
  watch: ServerStreamMethod<Text, Text>
  nothing: ServerStreamMethod<Empty, Empty>
  concat: ClientStreamMethod<Bytes, Bytes>
  count: ClientStreamMethod<Bytes, Int64>
  first: ClientStreamMethod<Bytes, Bytes>
  talk: BidiMethod<Bytes, Bytes>
  talkLater: BidiMethod<Bytes, Bytes>
}>(root.lookupService('millrace.test.Echo'))

export const bytes = (value: string | Uint8Array): Bytes => ({ value: Buffer.from(value) })
export const text = (value: string): Text => ({ value })
export const int = ({ value }: Int64): number => (typeof value === 'number' ? value : value.toNumber())

/** A client of ours of a server of this service; its channel is closed after the test. */
export async function dialEcho(
  address: NetAddress,
): Promise<{ client: Client<typeof Echo>; elsewhere: Client<typeof Elsewhere>; channel: Channel }> {
  const client = await connect(Echo, { host: '127.0.0.1', ...address })
  const channel = client.$channel
  netDefer(() => channel.abort())
  return { client, elsewhere: createClient(Elsewhere, channel), channel }
}
