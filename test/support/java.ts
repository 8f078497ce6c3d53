import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type OwnedProcess, runProcess, startProcess } from './processes.ts'

/** A main class of Kafka's own tools and clients: the ones we compare with and check against. */
export interface JavaRun {
  readonly name: string
  readonly mainClass: string
  readonly args: readonly string[]
  /** `-Xmx1g` and the like. */
  readonly jvm?: readonly string[]
  readonly logFile: string
  readonly stdin?: string | Buffer
}

/** Version of the jars that set-up fetches. */
export const KAFKA_VERSION = process.env.ISTHMUS_TEST_KAFKA ?? '4.3.1'

/** Class path of Kafka's jars; throws with what to do when set-up has not fetched them. */
export function kafkaClassPath(version = KAFKA_VERSION): string {
  const dir = process.env.ISTHMUS_KAFKA_JARS ?? join(import.meta.dirname, '../../.isthmus/kafka', version)
  if (!existsSync(dir))
    throw new Error(`no Kafka jars in ${dir}: run \`node scripts/setup.mjs --kafka ${version}\` first`)
  return join(dir, '*')
}

export function startJava(run: JavaRun): OwnedProcess {
  return startProcess({ ...javaCommand(run), name: run.name, logFile: run.logFile, stdin: run.stdin })
}

/** Runs to the end; returns the output, throws when the exit code is not 0. */
export function runJava(run: JavaRun): Promise<string> {
  return runProcess({ ...javaCommand(run), name: run.name, logFile: run.logFile, stdin: run.stdin })
}

function javaCommand(run: JavaRun): { command: string; args: string[] } {
  const jvm = run.jvm ?? ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
  return {
    command: 'java',
    args: [
      ...jvm,
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      kafkaClassPath(),
      run.mainClass,
      ...run.args,
    ],
  }
}
