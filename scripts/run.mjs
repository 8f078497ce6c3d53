// `node scripts/run.mjs FILE [arguments]`: runs a script of this checkout under the Node that the product needs.
import { findNode, goOnWith, NODE_MISSING } from '../bin/node26.js'

const node = findNode()
if (node === undefined) {
  console.error(NODE_MISSING)
  process.exit(1)
}
goOnWith(node, node, process.argv.slice(2))
