import { fileURLToPath } from 'node:url'
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'

const PROTO_FILE = fileURLToPath(new URL('../../proto/isthmus/admin/v1/admin.proto', import.meta.url))

/** Offsets and times are safe integers; unset fields come out as proto3 defaults. */
export const ADMIN_PACKAGE: PackageDefinition = loadSync(PROTO_FILE, {
  longs: Number,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
  oneofs: false,
})

export const ADMIN_SERVICE_NAME = 'isthmus.admin.v1.Admin'

export const ADMIN_SERVICE = ADMIN_PACKAGE[ADMIN_SERVICE_NAME] as ServiceDefinition<UntypedServiceImplementation>
