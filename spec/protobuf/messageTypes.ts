import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import protobufjs from 'protobufjs'
import { join } from 'node:path'
import { messageType, type MessageType } from '../../lib/protobuf/index.ts'
import { PersonSchema } from '../fixtures/personProtobufEs.ts'
import staticTypes from '../fixtures/personStatic.cjs'
import { Person as TsProtoPerson } from '../fixtures/personTsProto.ts'

/** The reflected types of the fixture. */
export const root = protobufjs.loadSync(join(__dirname, '../fixtures/person.proto'))
export const ReflectedPerson = root.lookupType('fixtures.Person')
export const ReflectedEnvelope = root.lookupType('fixtures.Envelope')
export const StaticPerson = staticTypes.fixtures.Person

export interface Person {
  name: string
  age: number
  photo: Uint8Array
  tags: string[]
}

export const EsPerson = messageType({
  name: PersonSchema.typeName,
  encode: (person: Person) => toBinary(PersonSchema, create(PersonSchema, person)),
  decode: (bytes) => fromBinary(PersonSchema, bytes) as Person,
})

/** One message type from every library that is supported. */
export const personTypes: Record<string, MessageType<Person, Person>> = {
  'a reflected type of protobufjs': ReflectedPerson as unknown as MessageType<Person>,
  'a static class of protobufjs': StaticPerson as unknown as MessageType<Person>,
  // Its messages must be complete; the fixture's have no serial.
  'a type of ts-proto': {
    encode: (person, writer) => TsProtoPerson.encode({ ...person, serial: 0 }, writer),
    decode: (bytes) => TsProtoPerson.decode(bytes),
    name: 'fixtures.Person',
  } as MessageType<Person>,
  'a schema of protobuf-es through messageType()': EsPerson,
}
