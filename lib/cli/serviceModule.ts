/**
 * The text of the module that `millrace gen` writes beside the messages: for every service its definition, and its
 * types. How the classes of the messages are called is protobufjs-cli's choice, and is followed here.
 */
import type { Method, NamespaceBase, ReflectionObject, Service } from 'protobufjs'
import protobufjs from 'protobufjs'
import { keyOf } from '../rpc/readService.ts'

export interface ServiceModule {
  /** index.js */
  readonly code: string
  /** index.d.ts */
  readonly types: string
}

export function serviceModule(
  services: readonly Service[],
  files: readonly string[],
  withDescriptors: boolean,
): ServiceModule {
  const head = `// Made by \`millrace gen\` from ${files.join(', ')}. Changes are lost when it is made again.\n`
  const names = exportNames(services)
  const kinds = new Set(services.flatMap(({ methodsArray }) => methodsArray.map(kindOf)))
  const code = [
    head,
    services.length === 0
      ? ''
      : "import { service as $service } from 'millrace/rpc'\n" +
        (withDescriptors ? "import { descriptors as $descriptors } from './descriptors.js'\n" : '') +
        "import * as $messages from './messages.js'\n\n",
    "export * from './messages.js'\n",
    ...services.map((service) => serviceCode(service, names.get(service)!, withDescriptors)),
  ]
  const types = [
    head,
    services.length === 0
      ? ''
      : `import type { ${imported(['Client', 'Handlers', 'Service', ...kinds])} } from 'millrace/rpc'\n` +
        (kinds.size === 0 ? '' : "import type * as $messages from './messages.js'\n") +
        '\n',
    "export * from './messages.js'\n",
    ...services.map((service) => serviceTypes(service, names.get(service)!)),
  ]
  return { code: code.join(''), types: types.join('') }
}

/** No name of a proto file has a `$`. */
const imported = (types: readonly string[]): string =>
  types
    .map((type) => `${type} as $${type}`)
    .sort()
    .join(', ')

function serviceCode(service: Service, name: string, withDescriptors: boolean): string {
  const methods = service.methodsArray.map((method) => {
    const fields = [
      `name: ${JSON.stringify(method.name)}`,
      `requestType: ${classOf(method.resolvedRequestType)}`,
      `responseType: ${classOf(method.resolvedResponseType)}`,
      `requestStream: ${method.requestStream === true}`,
      `responseStream: ${method.responseStream === true}`,
      ...(isIdempotent(method) ? ['idempotent: true'] : []),
    ]
    return `    ${keyOf(method.name)}: {\n${fields.map((field) => `      ${field},\n`).join('')}    },\n`
  })
  const fullName = JSON.stringify(service.fullName.slice(1))
  const descriptors = withDescriptors ? '  descriptors: $descriptors,\n' : ''
  return `\nexport const ${name} = $service({\n  fullName: ${fullName},\n${descriptors}  methods: {\n${methods.join('')}  },\n})\n`
}

function serviceTypes(service: Service, name: string): string {
  const methods = service.methodsArray.map((method) => {
    const [request, response] = [classOf(method.resolvedRequestType), classOf(method.resolvedResponseType)]
    const types = [decoded(request), decoded(response), `${request}.$Properties`, `${response}.$Properties`]
    const type = `$${kindOf(method)}<\n${types.map((each) => `    ${each}`).join(',\n')}\n  >`
    return `${comment(method, '  ')}  readonly ${keyOf(method.name)}: ${type}\n`
  })
  return [
    `\n/** The methods of ${service.fullName.slice(1)}. */\n`,
    `export type ${name}Methods = {\n${methods.join('')}}\n`,
    comment(service, ''),
    `export declare const ${name}: $Service<${name}Methods>\n`,
    `export type ${name}Client = $Client<typeof ${name}>\n`,
    `export type ${name}Handlers = $Handlers<typeof ${name}>\n`,
  ].join('')
}

const decoded = (type: string): string => `${type} & ${type}.$Shape`

function kindOf(method: Method): string {
  if (method.requestStream) return method.responseStream ? 'BidiMethod' : 'ClientStreamMethod'
  return method.responseStream ? 'ServerStreamMethod' : 'UnaryMethod'
}

const isIdempotent = ({ options }: Method): boolean =>
  ['NO_SIDE_EFFECTS', 'IDEMPOTENT'].includes(String(options?.['idempotency_level']))

/** Every service by its own name, where that is free and can be a name; else with its package: `chat_v1_Chat`. */
function exportNames(services: readonly Service[]): Map<Service, string> {
  const taken = new Set<string>()
  const root = services[0]?.root
  const messages = new Set(root?.nestedArray.filter(isExported).map(({ name }) => identifier(name)))
  const clashes = (name: string): boolean =>
    taken.has(name) || ['', 'Methods', 'Client', 'Handlers'].some((type) => messages.has(name + type))
  return new Map(
    services.map((service) => {
      const alone = services.filter(({ name }) => name === service.name).length === 1
      let name = service.name
      if (!alone || clashes(name) || identifier(name) !== name) name = service.fullName.slice(1).replaceAll('.', '_')
      name = identifier(name)
      while (clashes(name)) name += '_'
      taken.add(name)
      return [service, name]
    }),
  )
}

const isExported = (object: ReflectionObject): boolean => !(object instanceof protobufjs.Service)

function classOf(type: NamespaceBase | null): string {
  const parts: string[] = []
  for (let object: ReflectionObject | null = type; object !== null && object.name !== ''; object = object.parent) {
    parts.unshift(identifier(object.name))
  }
  return ['$messages', ...parts].join('.')
}

/** A name as protobufjs-cli writes it where JavaScript has a meaning for it: `delete_`. */
function identifier(name: string): string {
  return protobufjs.util.isReserved(name) ? `${name}_` : name
}

function comment(object: Method | Service, indent: string): string {
  const lines = object.comment?.split('\n') ?? []
  if (object.options?.['deprecated'] === true) lines.push('@deprecated')
  if (lines.length === 0) return ''
  const text = lines.map((line) => ` * ${line.trimEnd()}`.trimEnd().replaceAll('*/', '* /'))
  return [`/**`, ...text, ' */'].map((line) => `${indent}${line}\n`).join('')
}
