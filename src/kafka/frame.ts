/**
 * Called when a response begins: gives the buffer (of `bodyBytes` or more) that its body is read into. May throw: the
 * stream is then out of step and must end.
 */
export type BeginFrame = (correlationId: number, bodyBytes: number) => Buffer

/** Length and correlation id: what stands before the body of every response. */
const PREFIX_BYTES = 8
const CORRELATION_BYTES = 4
/** Content types of TLS records (RFC 8446, 5.1): a TLS listener answers plain text with one of them. */
const TLS_ALERT = 0x15
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR_VERSION = 0x03

/**
 * Cuts a byte stream into Kafka's frames without copying: the socket is told to read the eight prefix bytes first and
 * then exactly the body, into the body's own buffer.
 */
export class FrameAssembler {
  private readonly begin: BeginFrame
  private readonly prefix = Buffer.alloc(PREFIX_BYTES)
  private body: Buffer | undefined
  private filled = 0

  constructor(begin: BeginFrame) {
    this.begin = begin
  }

  /** Where the next bytes of the socket belong. */
  target(): Buffer {
    return (this.body ?? this.prefix).subarray(this.filled)
  }

  /** `bytes` were read into `target()`. Returns the body that is complete with them. */
  advance(bytes: number): Buffer | undefined {
    this.filled += bytes
    if (this.body === undefined) {
      if (this.filled < PREFIX_BYTES) return undefined
      this.beginBody()
    }
    const body = this.body
    if (body === undefined || this.filled < body.length) return undefined
    this.body = undefined
    this.filled = 0
    return body
  }

  get looksLikeTls(): boolean {
    const type = this.prefix[0]
    return (type === TLS_ALERT || type === TLS_HANDSHAKE) && this.prefix[1] === TLS_MAJOR_VERSION
  }

  private beginBody(): void {
    const bodyBytes = this.prefix.readInt32BE(0) - CORRELATION_BYTES
    if (bodyBytes < 0) throw new RangeError(`frame of ${bodyBytes + CORRELATION_BYTES} bytes`)
    this.body = this.begin(this.prefix.readInt32BE(CORRELATION_BYTES), bodyBytes).subarray(0, bodyBytes)
    this.filled = 0
  }
}
