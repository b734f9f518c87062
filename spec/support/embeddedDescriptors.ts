import protobufjs from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { join } from 'node:path'
import { descriptorsOfRoot, descriptorsOfSet } from '../../lib/protobuf/fileDescriptors.ts'
import type { Service } from '../../lib/rpc/index.ts'

const plain = (bytes: Uint8Array): object =>
  descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes), { enums: String })

/** The descriptors that a service brings, and those of the proto file in the fixtures under the same name. */
export async function embeddedAndLoaded(service: Service, fixture: string): Promise<[object[], object[]]> {
  const { descriptors } = service.source as { descriptors: string }
  const embedded = await descriptorsOfSet(Buffer.from(descriptors, 'base64'))
  const loaded = await descriptorsOfRoot(protobufjs.loadSync(join(__dirname, '../fixtures', fixture)))
  return [
    embedded.map(({ bytes }) => plain(bytes)),
    loaded.map(({ bytes }, i) => ({ ...plain(bytes), name: embedded[i]?.name })),
  ]
}
