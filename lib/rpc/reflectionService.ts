/** The messages and the definition of grpc.reflection.v1.ServerReflection (spec/fixtures/reflection.proto). */
import { handMessage } from './handMessage.ts'
import { service } from './service.ts'

export interface ReflectionExtension {
  readonly containingType: string
  readonly extensionNumber: number
}

/** One question. All but `host` are a oneof: exactly one is there. */
export interface ReflectionRequest {
  readonly host?: string
  readonly fileByFilename?: string
  /** The full name of a message, enum, service, method or extension. */
  readonly fileContainingSymbol?: string
  readonly fileContainingExtension?: ReflectionExtension
  readonly allExtensionNumbersOfType?: string
  /** Its value says nothing: the empty string will do. */
  readonly listServices?: string
}

/** The answer. All but the first two are a oneof. */
export interface ReflectionResponse {
  readonly validHost?: string
  readonly originalRequest?: ReflectionRequest
  /** Each a FileDescriptorProto: the file that was asked for, and those that it imports. */
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] }
  readonly allExtensionNumbersResponse?: { readonly baseTypeName: string; readonly extensionNumber: readonly number[] }
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] }
  /** `errorCode` is one of `Status`. */
  readonly errorResponse?: { readonly errorCode: number; readonly errorMessage: string }
}

type Part<K extends keyof ReflectionResponse> = NonNullable<ReflectionResponse[K]>

const presence = 'optional'
const full = (name: string): string => `grpc.reflection.v1.${name}`

const extensionType = handMessage<ReflectionExtension>(full('ExtensionRequest'), [
  { number: 1, name: 'containingType', kind: 'string' },
  { number: 2, name: 'extensionNumber', kind: 'int32' },
])
const requestType = handMessage<ReflectionRequest>(full('ServerReflectionRequest'), [
  { number: 1, name: 'host', kind: 'string' },
  { number: 3, name: 'fileByFilename', kind: 'string', presence },
  { number: 4, name: 'fileContainingSymbol', kind: 'string', presence },
  { number: 5, name: 'fileContainingExtension', kind: extensionType, presence },
  { number: 6, name: 'allExtensionNumbersOfType', kind: 'string', presence },
  { number: 7, name: 'listServices', kind: 'string', presence },
])
const filesType = handMessage<Part<'fileDescriptorResponse'>>(full('FileDescriptorResponse'), [
  { number: 1, name: 'fileDescriptorProto', kind: 'bytes', presence: 'repeated' },
])
const numbersType = handMessage<Part<'allExtensionNumbersResponse'>>(full('ExtensionNumberResponse'), [
  { number: 1, name: 'baseTypeName', kind: 'string' },
  { number: 2, name: 'extensionNumber', kind: 'int32', presence: 'repeated' },
])
const serviceType = handMessage<{ name: string }>(full('ServiceResponse'), [
  { number: 1, name: 'name', kind: 'string' },
])
const servicesType = handMessage<Part<'listServicesResponse'>>(full('ListServiceResponse'), [
  { number: 1, name: 'service', kind: serviceType, presence: 'repeated' },
])
const errorType = handMessage<Part<'errorResponse'>>(full('ErrorResponse'), [
  { number: 1, name: 'errorCode', kind: 'int32' },
  { number: 2, name: 'errorMessage', kind: 'string' },
])
const responseType = handMessage<ReflectionResponse>(full('ServerReflectionResponse'), [
  { number: 1, name: 'validHost', kind: 'string' },
  { number: 2, name: 'originalRequest', kind: requestType, presence },
  { number: 4, name: 'fileDescriptorResponse', kind: filesType, presence },
  { number: 5, name: 'allExtensionNumbersResponse', kind: numbersType, presence },
  { number: 6, name: 'listServicesResponse', kind: servicesType, presence },
  { number: 7, name: 'errorResponse', kind: errorType, presence },
])

/** The service, for clients and servers: `server.add(ReflectionService, new Reflection(server))`. */
export const ReflectionService = service({
  fullName: 'grpc.reflection.v1.ServerReflection',
  methods: {
    serverReflectionInfo: {
      name: 'ServerReflectionInfo',
      requestType,
      responseType,
      requestStream: true,
      responseStream: true,
    },
  },
  descriptors:
    'CuYMCiNncnBjL3JlZmxlY3Rpb24vdjEvcmVmbGVjdGlvbi5wcm90bxISZ3JwYy5yZWZsZWN0aW9uLnYxIvICChdTZXJ2ZXJSZWZsZWN0' +
    'aW9uUmVxdWVzdBISCgRob3N0GAEgASgJUgRob3N0EioKEGZpbGVfYnlfZmlsZW5hbWUYAyABKAlIAFIOZmlsZUJ5RmlsZW5hbWUSNgoW' +
    'ZmlsZV9jb250YWluaW5nX3N5bWJvbBgEIAEoCUgAUhRmaWxlQ29udGFpbmluZ1N5bWJvbBJiChlmaWxlX2NvbnRhaW5pbmdfZXh0ZW5z' +
    'aW9uGAUgASgLMiQuZ3JwYy5yZWZsZWN0aW9uLnYxLkV4dGVuc2lvblJlcXVlc3RIAFIXZmlsZUNvbnRhaW5pbmdFeHRlbnNpb24SQgod' +
    'YWxsX2V4dGVuc2lvbl9udW1iZXJzX29mX3R5cGUYBiABKAlIAFIZYWxsRXh0ZW5zaW9uTnVtYmVyc09mVHlwZRIlCg1saXN0X3NlcnZp' +
    'Y2VzGAcgASgJSABSDGxpc3RTZXJ2aWNlc0IQCg5tZXNzYWdlUmVxdWVzdCJmChBFeHRlbnNpb25SZXF1ZXN0EicKD2NvbnRhaW5pbmdf' +
    'dHlwZRgBIAEoCVIOY29udGFpbmluZ1R5cGUSKQoQZXh0ZW5zaW9uX251bWJlchgCIAEoBVIPZXh0ZW5zaW9uTnVtYmVyIq0EChhTZXJ2' +
    'ZXJSZWZsZWN0aW9uUmVzcG9uc2USHQoKdmFsaWRfaG9zdBgBIAEoCVIJdmFsaWRIb3N0ElYKEG9yaWdpbmFsX3JlcXVlc3QYAiABKAsy' +
    'Ky5ncnBjLnJlZmxlY3Rpb24udjEuU2VydmVyUmVmbGVjdGlvblJlcXVlc3RSD29yaWdpbmFsUmVxdWVzdBJmChhmaWxlX2Rlc2NyaXB0' +
    'b3JfcmVzcG9uc2UYBCABKAsyKi5ncnBjLnJlZmxlY3Rpb24udjEuRmlsZURlc2NyaXB0b3JSZXNwb25zZUgAUhZmaWxlRGVzY3JpcHRv' +
    'clJlc3BvbnNlEnIKHmFsbF9leHRlbnNpb25fbnVtYmVyc19yZXNwb25zZRgFIAEoCzIrLmdycGMucmVmbGVjdGlvbi52MS5FeHRlbnNp' +
    'b25OdW1iZXJSZXNwb25zZUgAUhthbGxFeHRlbnNpb25OdW1iZXJzUmVzcG9uc2USXwoWbGlzdF9zZXJ2aWNlc19yZXNwb25zZRgGIAEo' +
    'CzInLmdycGMucmVmbGVjdGlvbi52MS5MaXN0U2VydmljZVJlc3BvbnNlSABSFGxpc3RTZXJ2aWNlc1Jlc3BvbnNlEkoKDmVycm9yX3Jl' +
    'c3BvbnNlGAcgASgLMiEuZ3JwYy5yZWZsZWN0aW9uLnYxLkVycm9yUmVzcG9uc2VIAFINZXJyb3JSZXNwb25zZUIRCg9tZXNzYWdlUmVz' +
    'cG9uc2UiTAoWRmlsZURlc2NyaXB0b3JSZXNwb25zZRIyChVmaWxlX2Rlc2NyaXB0b3JfcHJvdG8YASADKAxSE2ZpbGVEZXNjcmlwdG9y' +
    'UHJvdG8iagoXRXh0ZW5zaW9uTnVtYmVyUmVzcG9uc2USJAoOYmFzZV90eXBlX25hbWUYASABKAlSDGJhc2VUeXBlTmFtZRIpChBleHRl' +
    'bnNpb25fbnVtYmVyGAIgAygFUg9leHRlbnNpb25OdW1iZXIiVAoTTGlzdFNlcnZpY2VSZXNwb25zZRI9CgdzZXJ2aWNlGAEgAygLMiMu' +
    'Z3JwYy5yZWZsZWN0aW9uLnYxLlNlcnZpY2VSZXNwb25zZVIHc2VydmljZSIlCg9TZXJ2aWNlUmVzcG9uc2USEgoEbmFtZRgBIAEoCVIE' +
    'bmFtZSJTCg1FcnJvclJlc3BvbnNlEh0KCmVycm9yX2NvZGUYASABKAVSCWVycm9yQ29kZRIjCg1lcnJvcl9tZXNzYWdlGAIgASgJUgxl' +
    'cnJvck1lc3NhZ2UyiQEKEFNlcnZlclJlZmxlY3Rpb24SdQoUU2VydmVyUmVmbGVjdGlvbkluZm8SKy5ncnBjLnJlZmxlY3Rpb24udjEu' +
    'U2VydmVyUmVmbGVjdGlvblJlcXVlc3QaLC5ncnBjLnJlZmxlY3Rpb24udjEuU2VydmVyUmVmbGVjdGlvblJlc3BvbnNlKAEwAWIGcHJv' +
    'dG8z',
})
