import type { Component } from './component.ts'
import type { Logger } from './telemetry/log.ts'

/**
 * The life of a gateway: components start in order and stop in reverse. A start that fails stops what was started
 * before it rejects.
 */
export class Gateway {
  readonly #log: Logger
  readonly #started: Component[] = []
  #state: 'starting' | 'running' | 'stopping' = 'starting'

  constructor(log: Logger) {
    this.#log = log
  }

  get state(): 'starting' | 'running' | 'stopping' {
    return this.#state
  }

  /** Starts one component and remembers to stop it. */
  async add<T extends Component>(component: T): Promise<T> {
    this.#started.push(component)
    await component.start()
    return component
  }

  running(): void {
    this.#state = 'running'
  }

  /** Never rejects: a component that cannot stop must not keep the others from it. */
  async stop(deadlineMs: number): Promise<void> {
    if (this.#state === 'stopping') return
    this.#state = 'stopping'
    const endMs = performance.now() + deadlineMs
    for (const component of this.#started.splice(0).reverse()) {
      const leftMs = Math.max(0, endMs - performance.now())
      try {
        await withDeadline(component.stop(leftMs), leftMs)
      } catch (error) {
        this.#log.warn({ error, component: component.name }, 'did not stop in order')
      }
    }
  }
}

async function withDeadline(stopping: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${Math.round(ms)} ms`)), ms)
  })
  await Promise.race([stopping, late]).finally(() => clearTimeout(timer))
}

/** A component out of two functions. */
export function component(
  name: string,
  start: () => Promise<void>,
  stop: (deadlineMs: number) => Promise<void>,
): Component {
  return { name, start, stop }
}
