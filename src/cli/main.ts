import { Command } from 'commander'
import { register as registerLocal } from './local.ts'

const program = new Command('isthmus').description('Joins the Kafka clusters of several data centers.')
registerLocal(program)

try {
  await program.parseAsync()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
