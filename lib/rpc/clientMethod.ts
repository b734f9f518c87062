import { BodyDecoder } from '../protobuf/bodyDecoder.ts'
import { BodyEncoder } from '../protobuf/messageType.ts'
import { encodeMethod } from './envelope.ts'
import type { AnyMethod } from './method.ts'

/** A method as a client calls it, with what is the same for all calls of it. */
export class ClientMethod {
  readonly method: AnyMethod
  /** The fields of a Request that name it. */
  readonly prefix: Uint8Array
  readonly body: BodyEncoder<unknown>
  readonly responses: BodyDecoder<unknown>

  constructor(method: AnyMethod) {
    this.method = method
    this.prefix = encodeMethod(method.service, method.name)
    this.body = new BodyEncoder<unknown>(method.requestType)
    this.responses = new BodyDecoder<unknown>(method.responseType)
  }
}
