import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Reads "+pid" and "-pid" lines; when its input ends, because the owner ended in whatever way, kills what is left.
 * A shell of two megabytes in a session of its own: Ctrl-C and kill -9 of the owner do not reach it.
 */
const SCRIPT = `
alive=
while read -r sign pid; do
  case $sign in
    +) alive="$alive $pid" ;;
    -) rest=; for each in $alive; do [ "$each" = "$pid" ] || rest="$rest $each"; done; alive=$rest ;;
  esac
done
[ -z "$alive" ] || kill -9 $alive 2>/dev/null
`

/** Makes sure that no child outlives this process. */
export class Reaper {
  private shell: ChildProcess | undefined

  watch(pid: number): void {
    this.shell ??= this.begin()
    this.shell.stdin?.write(`+ ${pid}\n`)
  }

  forget(pid: number): void {
    this.shell?.stdin?.write(`- ${pid}\n`)
  }

  /** Ends the shell, and with it every child still watched. */
  close(): void {
    this.shell?.stdin?.end()
    this.shell = undefined
  }

  private begin(): ChildProcess {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    shell.stdin?.on('error', () => {})
    // Neither the shell nor its pipe keeps a caller's event loop alive.
    shell.unref()
    ;(shell.stdin as unknown as { unref(): void }).unref()
    return shell
  }
}
