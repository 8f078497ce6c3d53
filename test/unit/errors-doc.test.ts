import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/errors.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/errors.md'), 'utf8')
const sections = page.split(/^### /m).slice(1)

test('docs/errors.md explains every error code, and no other', () => {
  expect(sections.map(section => section.split('\n')[0]).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted())
})

test('each says what to do', () => {
  for (const section of sections) expect(section, section.split('\n')[0]).toContain('**Do:**')
})
