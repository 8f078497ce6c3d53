import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader'

// biome-ignore lint/suspicious/noExplicitAny: its fields are known to the server's descriptors alone
export type Message = Record<string, any>

/**
 * A generic client as grpcurl is one: it knows an address and nothing else, and learns services and messages from the
 * server's reflection (grpc.reflection.v1).
 */
export interface ReflectionClient {
  services(): Promise<string[]>
  /** `method` as `package.Service/Method`. */
  call(method: string, request?: object): Promise<Message>
  stream(method: string, request?: object): Promise<AsyncIterable<Message> & { cancel(): void }>
  close(): void
}

const REFLECTION_PROTO = new URL(
  '../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto',
  import.meta.url,
).pathname

export function reflectionClient(address: string): ReflectionClient {
  const client = new Client(address, credentials.createInsecure())
  const reflection = loadSync(REFLECTION_PROTO, { defaults: true, oneofs: true })[
    'grpc.reflection.v1.ServerReflection'
  ] as ServiceDefinition
  const ask = (question: object) =>
    new Promise<Message>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = reflection.ServerReflectionInfo!
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
      stream.on('data', answer => resolve(answer as Message))
      stream.on('error', reject)
      stream.write(question)
      stream.end()
    })
  const methodOf = async (name: string) => {
    const [service, method] = name.split('/') as [string, string]
    const answer = await ask({ fileContainingSymbol: service })
    const file = answer.fileDescriptorResponse?.fileDescriptorProto as Buffer[] | undefined
    if (file === undefined) throw new Error(`reflection knows no ${service}: ${JSON.stringify(answer.errorResponse)}`)
    const definition = fromDescriptors(file)[service] as ServiceDefinition
    return definition[method]!
  }
  return {
    async services() {
      const answer = await ask({ listServices: '' })
      return answer.listServicesResponse.service.map((service: { name: string }) => service.name)
    },
    async call(name, request = {}) {
      const method = await methodOf(name)
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          (error: ServiceError | null, response) => (error ? reject(error) : resolve(response as Message)),
        )
      })
    },
    async stream(name, request = {}) {
      const method = await methodOf(name)
      return client.makeServerStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
      ) as never
    },
    close: () => client.close(),
  }
}

/** The files as one FileDescriptorSet: field 1, length-delimited, once per file. */
function fromDescriptors(files: Buffer[]): PackageDefinition {
  const set = Buffer.concat(files.flatMap(file => [Buffer.from([0x0a, ...varint(file.length)]), file]))
  return loadFileDescriptorSetFromBuffer(set, { longs: Number, enums: String, defaults: true, arrays: true })
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}
