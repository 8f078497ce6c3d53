import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VarintReader, varintSize, varlongSize, writeVarint, writeVarlong } from '../../../src/record/varint.ts'

/** Zig-zag by the definition. */
function reference(value: bigint): Buffer {
  let left = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const out: number[] = []
  do {
    out.push(Number(left & 0x7fn) | (left > 0x7fn ? 0x80 : 0))
    left >>= 7n
  } while (left > 0n)
  return Buffer.from(out)
}

const edges32 = [0, -1, 1, 63, -64, 64, -65, 8191, 8192, -8193, 2 ** 20, 2 ** 27, 2 ** 31 - 1, -(2 ** 31)]
const edges64 = [...edges32, 2 ** 31, 2 ** 34, -(2 ** 34) - 1, 2 ** 41, 2 ** 48, 2 ** 52, 2 ** 53 - 1, -(2 ** 53) + 1]
const int32 = fc.oneof(fc.integer(), fc.constantFrom(...edges32))
const int64 = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(...edges64))

describe('varints', () => {
  test('of 32 bit are what the definition says, and read back', () => {
    fc.assert(
      fc.property(int32, value => {
        const buffer = Buffer.alloc(8)
        const end = writeVarint(buffer, 1, value)
        expect(buffer.subarray(1, end)).toEqual(reference(BigInt(value)))
        expect(varintSize(value)).toBe(end - 1)
        const reader = new VarintReader(buffer, 1, end)
        expect(reader.readVarint()).toBe(value)
        expect(reader.position).toBe(end)
      }),
      { numRuns: 2000 },
    )
  })

  test('of 64 bit are what the definition says, and read back', () => {
    fc.assert(
      fc.property(int64, value => {
        const buffer = Buffer.alloc(12)
        const end = writeVarlong(buffer, 1, value)
        expect(buffer.subarray(1, end)).toEqual(reference(BigInt(value)))
        expect(varlongSize(value)).toBe(end - 1)
        const reader = new VarintReader(buffer, 1, end)
        // Never -0.
        expect(reader.readVarlong()).toBe(value + 0)
        expect(reader.position).toBe(end)
      }),
      { numRuns: 5000 },
    )
  })

  test('beyond 2^53 are read as the nearest double', () => {
    for (const value of [2n ** 63n - 1n, -(2n ** 63n), 1_700_000_000_000_000_001n]) {
      const bytes = reference(value)
      expect(new VarintReader(bytes, 0, bytes.length).readVarlong()).toBe(Number(value))
    }
  })

  test('never read beyond their limit', () => {
    for (const value of edges64) {
      const bytes = Buffer.concat([reference(BigInt(value)), Buffer.from([0])])
      for (let limit = 0; limit < bytes.length - 1; limit++) {
        expect(() => new VarintReader(bytes, 0, limit).readVarlong()).toThrow('runs past the end')
        if (limit < 5) expect(() => new VarintReader(bytes, 0, limit).readVarint()).toThrow('runs past the end')
      }
    }
  })

  test('that never end are refused', () => {
    const endless = Buffer.alloc(20, 0xff)
    expect(() => new VarintReader(endless, 0, 20).readVarint()).toThrow('varint of more than 5 bytes')
    expect(() => new VarintReader(endless, 0, 20).readVarlong()).toThrow('varlong of more than 10 bytes')
  })
})
