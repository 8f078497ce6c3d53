import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { OWNER_FILE, ownerPid } from './start.ts'
import type { LocalHandle, LocalStatus, WanChange, WanOptions } from './types.ts'

/** What can be asked of a running supervisor. Answered by the status, except `down`, after which nobody answers. */
export type ControlRequest =
  | { readonly do: 'status' }
  | { readonly do: 'stop' | 'kill' | 'start' | 'pause' | 'resume'; readonly name: string }
  | { readonly do: 'wan'; readonly path: string; readonly changes: readonly WanChange[]; readonly options: WanOptions }
  | { readonly do: 'down' }

const MAX_REQUEST_BYTES = 64 * 1024

/**
 * Listens for commands on loopback. Who may send some is who may read DIR/supervisor.json, which holds the token.
 * `onDown` is called after the request for it was answered.
 */
export async function listenForCommands(handle: LocalHandle, onDown: () => void): Promise<Server> {
  const token = randomBytes(16).toString('hex')
  const server = createServer(async (request, response) => {
    if (request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end()
      return
    }
    try {
      const wanted: ControlRequest = JSON.parse(await body(request))
      await obey(handle, wanted)
      response.end(JSON.stringify({ result: handle.status() }), () => {
        if (wanted.do === 'down') onDown()
      })
    } catch (error) {
      response.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const owner = { pid: process.pid, port: (server.address() as AddressInfo).port, token }
  writeFileSync(join(handle.dir, OWNER_FILE), `${JSON.stringify(owner)}\n`, { mode: 0o600 })
  return server
}

async function obey(handle: LocalHandle, request: ControlRequest): Promise<void> {
  switch (request.do) {
    case 'status':
      return
    case 'stop':
    case 'kill':
    case 'start':
    case 'pause':
    case 'resume':
      return handle[request.do](request.name)
    case 'wan':
      for (const change of request.changes) handle.wan(request.path, change, request.options)
      return
    case 'down':
      return handle.down()
  }
}

async function body(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > MAX_REQUEST_BYTES) throw new Error('request too large')
  }
  return text
}

/** Sends one request to the supervisor of `dir`; rejects with its error, or when there is none. */
export async function askSupervisor(dir: string, request: ControlRequest): Promise<LocalStatus> {
  if (ownerPid(dir) === undefined)
    throw new Error(`nothing runs in ${dir}; start it with \`isthmus local up\`, or name its directory with --dir`)
  const { port, token } = JSON.parse(readFileSync(join(dir, OWNER_FILE), 'utf8'))
  if (port === undefined)
    throw new Error(`${dir} is still starting, or belongs to a test or demo that takes no commands`)
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(request),
  })
  const answer = (await response.json()) as { result: LocalStatus; error?: string }
  if (answer.error !== undefined) throw new Error(answer.error)
  return answer.result
}
