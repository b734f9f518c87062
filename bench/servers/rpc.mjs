// The service of rpc.proto: millrace or grpc-js, by the name on the command line.
import { fileURLToPath } from 'node:url'

const proto = fileURLToPath(new URL('rpc.proto', import.meta.url))

const servers = {
  async millrace() {
    const { default: protobuf } = await import('protobufjs')
    const { RpcServer, service } = await import('millrace/rpc')
    const server = new RpcServer()
    server.add(service(protobuf.loadSync(proto).lookupService('millrace.test.Echo')), {
      async echo(request) {
        return request
      },
      async *range(request) {
        const { count, size } = JSON.parse(request.value)
        const message = { value: Buffer.alloc(size) }
        for (let i = 0; i < count; i++) yield message
      },
    })
    await server.listen({ host: '127.0.0.1', port: 0 })
    return server.address.port
  },

  async 'grpc-js'() {
    const { default: grpc } = await import('@grpc/grpc-js')
    const { loadSync } = await import('@grpc/proto-loader')
    const { millrace } = grpc.loadPackageDefinition(loadSync(proto))
    const server = new grpc.Server()
    server.addService(millrace.test.Echo.service, {
      echo: (call, answer) => answer(null, call.request),
      async range(call) {
        const { count, size } = JSON.parse(call.request.value)
        const message = { value: Buffer.alloc(size) }
        for (let i = 0; i < count; i++) {
          if (!call.write(message)) await new Promise((resolve) => call.once('drain', resolve))
        }
        call.end()
      },
    })
    return new Promise((resolve, reject) => {
      const credentials = grpc.ServerCredentials.createInsecure()
      server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)))
    })
  },
}

console.log(await servers[process.argv[2]]())
