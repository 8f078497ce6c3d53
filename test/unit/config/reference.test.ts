import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../../../src/config/load.ts'
import { configOutline, type Outline } from '../../../src/config/outline.ts'
import { configReference } from '../../../src/config/reference.ts'

test('docs/config.md says what the schema says (vitest -u writes it anew)', async () => {
  await expect(configReference()).toMatchFileSnapshot('../../../docs/config.md')
})

test('the example in docs/config.md is a valid config', () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(configReference())?.[1] ?? ''
  expect(parse(example)).toMatchObject({ dc: 'us' })
  expect(parseConfig(example)).toMatchObject({ ok: true })
})

test('every key is described', () => {
  const undescribed: string[] = []
  const visit = (about: Outline, path: string) => {
    for (const [key, inner] of about.keys ?? []) {
      if (inner.description === undefined) undescribed.push(`${path}${key}`)
      visit(inner, `${path}${key}.`)
    }
  }
  visit(configOutline(), '')
  expect(undescribed).toEqual([])
})
