import { DEFAULT_KAFKA_VERSION, kafkaClassPath, tools } from '../../deploy/local/paths.ts'
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

/** Version of the brokers that tests run on, where another than the default is asked for. Clients are of the default one. */
export const TESTED_KAFKA: string | undefined = process.env.ISTHMUS_TEST_KAFKA

/** Class path of Kafka's clients and tools. */
export function javaClassPath(): string {
  return kafkaClassPath(DEFAULT_KAFKA_VERSION)
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
    command: tools().java,
    args: [...jvm, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', javaClassPath(), run.mainClass, ...run.args],
  }
}
