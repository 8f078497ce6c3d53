/** The only door to the environment, besides which nothing reads `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

export const processEnvironment: Environment = process.env

export type Expanded = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly missing: string }

/**
 * Replaces each `${NAME}` by the variable's value; `$${` stands for a literal `${`. A variable that is not set, or
 * empty, is an error: a secret that is silently empty costs an afternoon.
 */
export function expandVariables(text: string, environment: Environment): Expanded {
  let missing: string | undefined
  const expanded = text.replace(/(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, escaped: string, name: string) => {
    if (escaped !== '') return whole.slice(1)
    const value = environment[name]
    if (!value) missing ??= name
    return value ?? ''
  })
  return missing === undefined ? { ok: true, text: expanded } : { ok: false, missing }
}
