import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import lz4 from 'lz4-napi'
import snappy from 'snappy'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { CODEC_NAMES, codecId, codecName, compress, decompress } from '../../../src/record/codecs.ts'

const MIB = 1024 * 1024
const compressed = CODEC_NAMES.filter(name => name !== 'none')
const LZ4 = codecId('lz4')
const SNAPPY = codecId('snappy')

/** Compressible in parts: a seed, then repeats and noise. */
const content = fc
  .tuple(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat({ max: 400 }), { maxLength: 6 }))
  .map(([seed, repeats]) => Buffer.concat(repeats.map(times => Buffer.concat(Array(times).fill(Buffer.from(seed))))))

function failureOf(work: () => unknown): GatewayError {
  try {
    work()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe.each(CODEC_NAMES)('codec %s', name => {
  test('gives back what it compressed, over block borders too', () => {
    fc.assert(
      fc.property(content, bytes => {
        const body = Buffer.concat(compress(codecId(name), bytes))
        expect(decompress(codecId(name), body).equals(bytes)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

describe.each(compressed)('broken %s', name => {
  const id = codecId(name)

  test('is CODEC_FAILED at every cut, and names the codec', () => {
    const body = Buffer.concat(compress(id, Buffer.from('to be cut somewhere, '.repeat(40))))
    for (let cut = 0; cut < body.length; cut++) {
      // Two cuts leave a whole stream: an xerial stream without chunks holds nothing.
      if (name === 'snappy' && cut === 16) continue
      const failure = failureOf(() => decompress(id, body.subarray(0, cut)))
      expect(failure).toMatchObject({ code: 'CODEC_FAILED', scope: 'partition' })
      expect(failure.message).toContain(`${name}, ${cut} bytes`)
    }
  })

  test('never yields more than the limit: a bomb is refused', () => {
    const bomb = Buffer.concat(compress(id, Buffer.alloc(3 * MIB)))
    expect(bomb.length).toBeLessThan(MIB / 4)
    expect(failureOf(() => decompress(id, bomb, 2 * MIB))).toMatchObject({ code: 'CODEC_FAILED' })
    expect(decompress(id, bomb, 3 * MIB).length).toBe(3 * MIB)
  })
})

describe('lz4 frames', () => {
  test('of other writers are read: large blocks, content and block checksums', () => {
    const bytes = Buffer.from('another writer '.repeat(20_000))
    for (const options of [{}, { contentChecksum: true }, { contentChecksum: true, blockChecksums: true }]) {
      expect(decompress(LZ4, lz4.compressFrameSync(bytes, options)).equals(bytes)).toBe(true)
    }
  })

  test('whose blocks allow more than the limit are counted exactly before they are decoded', () => {
    // Declares 4 MiB blocks: by the sizes of its blocks alone it could hold more than the limit.
    const bytes = Buffer.alloc(5 * MIB, 'abc')
    const frame = lz4.compressFrameSync(bytes)
    expect(decompress(LZ4, frame, 5 * MIB).length).toBe(5 * MIB)
    expect(failureOf(() => decompress(LZ4, frame, 5 * MIB - 1)).message).toContain('bytes come out')
  })

  test('store blocks that do not compress', () => {
    const noise = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * index * 7919) >>> 3))
    const body = Buffer.concat(compress(LZ4, noise))
    expect(body.length).toBeLessThanOrEqual(noise.length + 7 + 4 + 2 * 4)
    expect(decompress(LZ4, body).equals(noise)).toBe(true)
  })

  test('with another magic, a dictionary or a block over its size are refused', () => {
    const body = Buffer.concat(compress(LZ4, Buffer.from('x'.repeat(500))))
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(body)
      copy[at] = value
      return failureOf(() => decompress(LZ4, copy)).message
    }
    expect(changed(0, 0x02)).toContain('no LZ4 frame')
    expect(changed(4, 0x61)).toContain('needs a dictionary')
    expect(changed(5, 0x10)).toContain('block size code 1')
    expect(changed(9, 0x7f)).toMatch(/block of \d+ bytes, the frame allows 65536/)
    expect(changed(6, 0x00)).toContain('lz4')
  })
})

describe('snappy streams', () => {
  test('may be raw blocks', () => {
    const bytes = Buffer.from('raw '.repeat(1000))
    expect(decompress(SNAPPY, snappy.compressSync(bytes)).equals(bytes)).toBe(true)
  })

  test('that state a size they cannot reach are refused before anything is allocated', () => {
    const lie = Buffer.from([0xff, 0xff, 0xff, 0x1f, 0, 0])
    expect(failureOf(() => decompress(SNAPPY, lie)).message).toContain('6 bytes cannot hold 67108863')
    const huge = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])
    expect(failureOf(() => decompress(SNAPPY, huge)).message).toContain('states 4294967295 bytes')
  })
})

describe('codec ids', () => {
  test('are the ones of the protocol', () => {
    expect(CODEC_NAMES.map(codecId)).toEqual([0, 1, 2, 3, 4])
    expect(failureOf(() => codecName(5))).toMatchObject({ code: 'BATCH_CORRUPT' })
  })

  test('zstd and gzip of several frames or members are read whole, as Kafka reads them', () => {
    const parts = [Buffer.from('first '), Buffer.from('second')]
    expect(decompress(4, Buffer.concat(parts.map(part => zstdCompressSync(part)))).toString()).toBe('first second')
    expect(decompress(1, Buffer.concat(parts.map(part => gzipSync(part)))).toString()).toBe('first second')
  })
})
