/** What a check says about one thing. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'error'
  /** What was looked at: `kafka.brokers`, `peer eu`, `topic orders`. */
  readonly where: string
  readonly what: string
  readonly whatToDo?: string
}

export const ok = (where: string, what: string): Finding => ({ level: 'ok', where, what })
export const warning = (where: string, what: string, whatToDo?: string): Finding => ({
  level: 'warning',
  where,
  what,
  whatToDo,
})
export const problem = (where: string, what: string, whatToDo?: string): Finding => ({
  level: 'error',
  where,
  what,
  whatToDo,
})
