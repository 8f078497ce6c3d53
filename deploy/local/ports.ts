import { createServer } from 'node:net'

// Below the range from which systems take ports of outgoing connections (Linux 32768, others 49152), so that nobody
// takes the port of a process that is down for a while.
const LOWEST_PORT = 12_000
const HIGHEST_PORT = 32_000
const MAX_ATTEMPTS = 1_000

const taken = new Set<number>()

/** Ports of the loopback interface that are free now, each given out once by this process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let attempt = 0; ports.length < count; attempt++) {
    if (attempt > MAX_ATTEMPTS) throw new Error(`no ${count} free ports found on 127.0.0.1`)
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT))
    if (taken.has(port) || !(await isFree(port))) continue
    taken.add(port)
    ports.push(port)
  }
  return ports
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
