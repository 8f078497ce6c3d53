/** What TypeScript code may use of node26.js. */
export const gatewayNodeFlags: readonly string[]
