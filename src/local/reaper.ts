// Ends the workerd processes of this one when it dies without a chance to do so itself. workerd outlives a SIGKILL of
// its parent: it would keep the port, and a second workerd on the same state would corrupt it. A one-line shell holds a
// pipe to us; the kernel closes the pipe however we die.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { promisify } from 'node:util'

const SCRIPT = 'pids=; while read -r line; do pids=$line; done; [ -z "$pids" ] || kill -9 $pids 2>/dev/null'

let shell: ChildProcess | undefined

async function workerdChildren(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args='])
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, command]) => parent === String(process.pid) && command?.includes('workerd') === true)
    .flatMap(([pid]) => (pid === undefined ? [] : [pid]))
}

/**
 * Call whenever the set of running workerd children has changed. Afterwards exactly those end with this process.
 * Does nothing on Windows, where there is neither `ps` nor `sh`.
 */
export async function endWorkerdWithThisProcess(): Promise<void> {
  if (process.platform === 'win32') return
  const pids = await workerdChildren()
  // Detached: an interrupt from the terminal reaches the whole group and must not end the guard first.
  shell ??= spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  shell.unref()
  const pipe = shell.stdin
  if (pipe === null) return
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
  pipe.write(`${pids.join(' ')}\n`)
}
