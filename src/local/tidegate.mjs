#!/usr/bin/env node
// `npx tidegate`: says in one line when Node is too old or nothing is installed, then hands over to cli/main.ts. Plain
// JavaScript that any Node from 14 on can parse.
const NEEDED = [22, 18]
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(`tidegate: Node ${process.versions.node} is too old. Install Node ${NEEDED.join('.')} or newer.`)
  process.exit(1)
}

try {
  const { main } = await import('./cli/main.ts')
  process.exitCode = await main(process.argv.slice(2), process.env)
} catch (error) {
  const isMissing = error !== null && typeof error === 'object' && error.code === 'ERR_MODULE_NOT_FOUND'
  console.error(isMissing ? 'tidegate: packages are missing. Run `npm ci` first.' : error)
  process.exit(1)
}
