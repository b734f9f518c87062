import protobufjs from 'protobufjs'
import { join } from 'node:path'
import { service } from '../../lib/rpc/index.ts'
import generated from '../fixtures/chatStatic.cjs'
import old from '../fixtures/chatStaticOld.cjs'
import { ChatDefinition } from '../fixtures/chatTsProto.ts'

/** The reflected types of the fixture. */
export const root = protobufjs.loadSync(join(__dirname, '../fixtures/chat.proto'))
export const StaticLine = generated.chat.v1.Line

/** One service, made of everything that a service can be made of. */
export const ReflectedChat = service(root.lookupService('chat.v1.Chat'))
export const StaticChat = service(generated.chat.v1.Chat)
export const TsProtoChat = service(ChatDefinition)
export const OldStaticChat = service(old.chat.v1.Chat, {
  name: 'chat.v1.Chat',
  methods: {
    send: { requestStream: false, responseStream: false },
    watch: { requestStream: false, responseStream: true },
    upload: { requestStream: true, responseStream: false },
    talk: { requestStream: true, responseStream: true },
    send_all: { requestStream: false, responseStream: false, idempotent: true },
  },
})
