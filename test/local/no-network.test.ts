// That no test leaves the machine, nor a process that it starts.
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import dns from 'node:dns/promises'
import net from 'node:net'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

// Of addresses that are nobody's, and of names that nobody has: https://www.rfc-editor.org/rfc/rfc5737, rfc2606.
const ADDRESS = '192.0.2.1'
const NAME = 'provider.invalid'
const REFUSED = /Tests run offline, but one tried to reach/

test('whatever leaves the machine throws, by address and by name', async () => {
  expect(() => net.connect(9, ADDRESS)).toThrow(REFUSED)
  expect(() => dns.lookup(NAME)).toThrow(REFUSED)
  expect(() => dns.resolve4(NAME)).toThrow(REFUSED)
  const socket = createSocket('udp4')
  expect(() => socket.send('?', 53, ADDRESS)).toThrow(REFUSED)
  socket.close()
  for (const host of [ADDRESS, NAME]) {
    const failed = await fetch(`http://${host}/`).catch((error: unknown) => error)
    expect(failed).toMatchObject({ cause: { message: expect.stringMatching(REFUSED) } })
  }
})

test('so it does in a process that a test starts', async () => {
  const started = promisify(execFile)(process.execPath, ['-e', `require('node:net').connect(9, '${ADDRESS}')`])
  await expect(started).rejects.toThrow(REFUSED)
})

test('this machine is there for everybody', async () => {
  const server = net.createServer((socket) => socket.end('here'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const socket = net.connect(typeof address === 'object' ? (address?.port ?? 0) : 0, 'localhost')
  expect(await new Promise((resolve) => socket.once('data', (said) => resolve(String(said))))).toBe('here')
  server.close()
})
