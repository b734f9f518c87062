/** What protobufjs has loaded, as descriptors: the plain objects that its types of descriptors take. */

/** An object of protobufjs's reflection, of any of its classes: what is read of them all. */
export interface Reflected {
  readonly constructor: { readonly className: string }
  readonly name: string
  /** With a dot in front. */
  readonly fullName: string
  readonly parent: Reflected | null
  readonly filename?: string | null
  readonly _edition?: string
  readonly options?: Readonly<Record<string, unknown>>
  readonly nestedArray?: readonly Reflected[]
  // A type
  readonly fieldsArray?: readonly Reflected[]
  readonly oneofsArray?: readonly Reflected[]
  readonly extensions?: readonly (readonly [number, number])[]
  readonly reserved?: readonly (string | readonly [number, number])[]
  // A field
  readonly id?: number
  readonly protoName?: string
  readonly jsonName?: string
  readonly type?: string
  readonly keyType?: string
  readonly repeated?: boolean
  readonly required?: boolean
  readonly delimited?: boolean
  readonly extend?: string
  readonly declaringField?: Reflected | null
  readonly partOf?: Reflected | null
  readonly resolvedType?: Reflected | null
  // A oneof
  readonly oneof?: readonly string[]
  // An enum
  readonly values?: Readonly<Record<string, number>>
  readonly valuesOptions?: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>
  // A service, and a method
  readonly methodsArray?: readonly Reflected[]
  readonly requestStream?: boolean
  readonly responseStream?: boolean
  readonly resolvedRequestType?: Reflected | null
  readonly resolvedResponseType?: Reflected | null
  lookup?(path: string): Reflected | null
}

const classOf = ({ constructor }: Reflected): string => constructor.className
const nested = (object: Reflected, ...classes: string[]): Reflected[] =>
  (object.nestedArray ?? []).filter((each) => classes.includes(classOf(each)))

/** A DescriptorProto. What it refers to is added to `used`. */
export function messageOf(type: Reflected, used: Reflected[]): object {
  // Extensions of it are declared elsewhere.
  const fields = type.fieldsArray!.filter(({ declaringField }) => !declaringField)
  // Those that only stand for `optional` come last.
  const oneofs = [...type.oneofsArray!].sort((a, b) => Number(isSynthetic(type, a)) - Number(isSynthetic(type, b)))
  return {
    name: type.name,
    field: fields.map((field) => ({
      ...fieldOf(field, used),
      ...(field.partOf && { oneofIndex: oneofs.indexOf(field.partOf) }),
    })),
    nestedType: [
      ...fields.filter(isMap).map((field) => entryOf(field, used)),
      ...nested(type, 'Type').map((each) => messageOf(each, used)),
    ],
    enumType: nested(type, 'Enum').map(enumOf),
    extension: nested(type, 'Field', 'MapField').map((field) => fieldOf(field, used)),
    oneofDecl: oneofs.map((oneof) => oneofOf(type, oneof)),
    extensionRange: (type.extensions ?? []).map(([start, last]) => ({ start, end: last + 1 })),
    reservedRange: ranges(type).map(([start, last]) => ({ start, end: last + 1 })),
    reservedName: names(type),
    ...optionsOf(type.options),
  }
}

/** A FieldDescriptorProto, of a field or an extension. */
export function fieldOf(field: Reflected, used: Reflected[]): object {
  const { extend, options } = field
  const name = protoNameOf(field)
  const proto3Optional = options?.['proto3_optional'] === true
  const byDefault = options?.['default']
  return {
    name,
    number: field.id,
    label: field.repeated || isMap(field) ? 'LABEL_REPEATED' : field.required ? 'LABEL_REQUIRED' : 'LABEL_OPTIONAL',
    ...(isMap(field)
      ? { type: 'TYPE_MESSAGE', typeName: `${field.parent!.fullName}.${entryName(field)}` }
      : typeOf(field, field.type!, used)),
    jsonName: field.jsonName ?? camelCase(name),
    ...(extend !== undefined && { extendee: extendeeOf(field, extend, used) }),
    ...(byDefault !== undefined && { defaultValue: String(byDefault as string | number) }),
    ...(proto3Optional && { proto3Optional }),
    ...optionsOf(options, ['proto3_optional', 'default', 'json_name']),
  }
}

/** An EnumDescriptorProto. */
export function enumOf(each: Reflected): object {
  return {
    name: each.name,
    value: Object.entries(each.values!).map(([name, number]) => ({
      name,
      number,
      ...optionsOf(each.valuesOptions?.[name]),
    })),
    reservedRange: ranges(each).map(([start, end]) => ({ start, end })),
    reservedName: names(each),
    ...optionsOf(each.options),
  }
}

/** A ServiceDescriptorProto. */
export function serviceOf(service: Reflected, used: Reflected[]): object {
  return {
    name: service.name,
    method: service.methodsArray!.map((method) => {
      const [request, response] = [method.resolvedRequestType!, method.resolvedResponseType!]
      used.push(request, response)
      return {
        name: method.name,
        inputType: request.fullName,
        outputType: response.fullName,
        ...(method.requestStream && { clientStreaming: true }),
        ...(method.responseStream && { serverStreaming: true }),
        ...optionsOf(method.options),
      }
    }),
    ...optionsOf(service.options),
  }
}

const isMap = (field: Reflected): boolean => classOf(field) === 'MapField'

function oneofOf(type: Reflected, oneof: Reflected): object {
  const optional = optionalIn(type, oneof)
  return { name: optional === undefined ? oneof.name : `_${protoNameOf(optional)}`, ...optionsOf(oneof.options) }
}

/** The field for which there is a oneof of its own, so that its absence can be told. */
const optionalIn = (type: Reflected, { oneof }: Reflected): Reflected | undefined =>
  type.fieldsArray!.find(({ name, options }) => oneof!.includes(name) && options?.['proto3_optional'] === true)

const isSynthetic = (type: Reflected, oneof: Reflected): boolean => optionalIn(type, oneof) !== undefined

/** The entries of a map, as a message. */
function entryOf(field: Reflected, used: Reflected[]): object {
  const label = 'LABEL_OPTIONAL'
  return {
    name: entryName(field),
    field: [
      { name: 'key', jsonName: 'key', number: 1, label, ...typeOf(field, field.keyType!, used) },
      { name: 'value', jsonName: 'value', number: 2, label, ...typeOf(field, field.type!, used) },
    ],
    options: { mapEntry: true },
  }
}

function entryName(field: Reflected): string {
  const camel = camelCase(protoNameOf(field))
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`
}

const SCALARS = new Set(
  'double float int64 uint64 int32 fixed64 fixed32 bool string bytes uint32 sfixed32 sfixed64 sint32 sint64'.split(' '),
)

function typeOf(field: Reflected, type: string, used: Reflected[]): object {
  if (SCALARS.has(type)) return { type: `TYPE_${type.toUpperCase()}` }
  const resolved = field.resolvedType!
  used.push(resolved)
  const kind = classOf(resolved) === 'Enum' ? 'ENUM' : field.delimited === true ? 'GROUP' : 'MESSAGE'
  return { type: `TYPE_${kind}`, typeName: resolved.fullName }
}

/** An extension that is declared at the top has its own name in front of it. */
function protoNameOf({ name, protoName }: Reflected): string {
  const given = protoName ?? name
  return given.slice(given.lastIndexOf('.') + 1)
}

function extendeeOf(field: Reflected, name: string, used: Reflected[]): string {
  const found = field.parent!.lookup?.(name)
  if (!found) return name.startsWith('.') ? name : `.${name}`
  used.push(found)
  return found.fullName
}

const ranges = ({ reserved = [] }: Reflected): (readonly [number, number])[] =>
  reserved.filter((each) => typeof each !== 'string')
const names = ({ reserved = [] }: Reflected): string[] => reserved.filter((each) => typeof each === 'string')

const camelCase = (name: string): string => name.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase())

/** Options by the names that descriptors have for them. Those in parentheses are not google's own, and are left out. */
function optionsOf(options: object | undefined, without: readonly string[] = []): { options?: object } {
  const known = Object.entries(options ?? {}).filter(([name]) => !name.startsWith('(') && !without.includes(name))
  if (known.length === 0) return {}
  return { options: Object.fromEntries(known.map(([name, value]) => [camelCase(name), inside(value)])) }
}

function inside(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return optionsOf(value).options ?? {}
}
