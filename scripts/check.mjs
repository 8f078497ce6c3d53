// `npm run check`: everything that can be said without running the product.
import { staticChecks } from './static-checks.mjs'

let failed = 0
for (const { name, run } of staticChecks) {
  const ok = run()
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name}`)
  if (!ok) failed++
}
process.exit(failed === 0 ? 0 : 1)
