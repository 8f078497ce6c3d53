import { connect } from 'node:net'

const ANSWER_TIMEOUT_MS = 1_000

/** Sends bytes to a loopback port and resolves to what came back once `enough` says so; undefined when it did not. */
function ask(port: number, request: Buffer, enough: (answer: Buffer) => boolean): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    let answer = Buffer.alloc(0)
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    const end = (result: Buffer | undefined) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => end(undefined))
    socket.on('error', () => end(undefined))
    socket.on('close', () => end(undefined))
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      if (enough(answer)) end(answer)
    })
  })
}

/**
 * True when the broker lists itself in its metadata, which it does once the controller has unfenced it (KIP-631).
 * Metadata v1 for no topic: the smallest request that every version answers.
 */
export async function brokerAnswers(port: number, brokerId: number): Promise<boolean> {
  const request = Buffer.alloc(18)
  request.writeInt32BE(14, 0)
  request.writeInt16BE(3, 4)
  request.writeInt16BE(1, 6)
  request.writeInt16BE(-1, 12) // no client id
  request.writeInt32BE(0, 14) // no topics
  const answer = await ask(port, request, bytes => bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0))
  return answer !== undefined && brokerIds(answer).includes(brokerId)
}

function brokerIds(answer: Buffer): number[] {
  const ids: number[] = []
  let at = 12 // size, correlation id, number of brokers
  for (let left = answer.readInt32BE(8); left > 0; left--) {
    ids.push(answer.readInt32BE(at))
    at += 4 + 2 + answer.readInt16BE(at + 4) + 4 // id, host, port
    at += 2 + Math.max(0, answer.readInt16BE(at)) // rack
  }
  return ids
}

/** True when a GET answers with a status of 200. */
export async function httpAnswers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
    await response.arrayBuffer()
    return response.status === 200
  } catch {
    return false
  }
}
