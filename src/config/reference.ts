import { configOutline, type Outline } from './outline.ts'

/** docs/config.md out of the schema: nothing about a key is written twice. */

const INTRO = `# The config file

One YAML file per gateway node, conventionally \`isthmus.yaml\`. It is validated whole before anything starts; every
mistake is reported at once, with its place and what to write instead:

    isthmus check --config isthmus.yaml --offline     # the file alone
    isthmus check --config isthmus.yaml               # and against the real clusters

A small one:

\`\`\`yaml
dc: us
kafka: { brokers: ["kafka-us:9092"] }
tls: none
peers:
  - { dc: eu, addresses: ["gateway.eu.example:7400"] }
  - { dc: ap, addresses: ["ap-1.example:7400", "ap-2.example:7400"] }
topics:
  include: ["orders", "clicks.*"]
\`\`\`

How values are written:

- **durations** with a unit, \`250ms\`, \`30s\`, \`5m\`, \`6h\`, \`7d\`, or a plain number of milliseconds
- **sizes** with a unit, \`4MiB\` (1024²), \`4MB\` (1000²), or a plain number of bytes
- **patterns** of topics: a name, a glob over the whole name (\`*\` any run, \`?\` one character), or a regular expression
  between slashes, \`/^orders\\.(eu|us)$/\`, which matches anywhere unless anchored. Topics that begin with \`__\`, retry topics (\`*.retry.<n>\`) and dead-letter
  topics (\`*.dlq\`) are matched only by a pattern that spells that part out
- **variables**: \`\${NAME}\` in any text is replaced from the environment, which is the place for passwords; \`$\${\` stands
  for a literal \`\${\`. A variable that is not set is a mistake
- **files** are relative to the config file

This page is generated from \`src/config/schema.ts\`.
`

/** The whole page. */
export function configReference(): string {
  const sections: string[] = [INTRO]
  const root = configOutline()
  const plain = [...(root.keys ?? [])].filter(([, about]) => about.keys === undefined)
  sections.push(`## Top level\n\n${rows(plain, '')}`)
  for (const [key, about] of root.keys ?? []) if (about.keys !== undefined) sections.push(section(key, about))
  return `${sections.join('\n')}`
}

function section(key: string, about: Outline): string {
  const list = about.list ? ' (a list)' : ''
  const need = about.required ? ' Required.' : ''
  return `## ${key}${list}\n\n${about.description ?? ''}${need}\n\n${rows([...(about.keys ?? [])], '')}`
}

function rows(keys: readonly (readonly [string, Outline])[], prefix: string): string {
  return `| key | what may be written | default | meaning |\n|---|---|---|---|\n${lines(keys, prefix).join('\n')}\n`
}

/** Keys inside keys follow their parent, with its name before theirs. */
function lines(keys: readonly (readonly [string, Outline])[], prefix: string): string[] {
  return keys.flatMap(([key, about]) => {
    const name = `${prefix}${key}`
    const inner = about.keys === undefined ? [] : lines([...about.keys], `${name}${about.list ? '[]' : ''}.`)
    return [`| \`${name}\` | ${about.kind} | ${defaultOf(about)} | ${meaning(about)} |`, ...inner]
  })
}

function defaultOf(about: Outline): string {
  if (about.required) return '**required**'
  if (about.defaultText === undefined) return about.list ? '`[]`' : ''
  return about.defaultText.includes(' ') ? about.defaultText : `\`${about.defaultText}\``
}

function meaning(about: Outline): string {
  const example = about.example === undefined ? '' : ` For example \`${about.example}\`.`
  return `${about.description ?? ''}${example}`.replaceAll('|', '\\|')
}
