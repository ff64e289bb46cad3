// First step of `npm start`: says in one line when Node is too old or nothing is installed, then hands over to main.ts.
// Plain JavaScript that any Node from 14 on can parse.
const NEEDED = [22, 18]
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(
    `tidegate: Node ${process.versions.node} is too old. Run it as \`npm start\` after \`npm ci\` (which brings its own Node ` +
      `on 64-bit Linux), or install Node ${NEEDED.join('.')} or newer.`,
  )
  process.exit(1)
}

try {
  const { main } = await import('./main.ts')
  await main(process.argv.slice(2))
} catch (error) {
  const isMissing = error !== null && typeof error === 'object' && error.code === 'ERR_MODULE_NOT_FOUND'
  console.error(isMissing ? 'tidegate: packages are missing. Run `npm ci` first.' : error)
  process.exit(1)
}
