// Where a target may point, in every spelling an attacker might try.
import { describe, expect, it } from 'vitest'
import { checkEndpoint, type ParsedEndpoint } from '../../src/core/guard/endpoint-guard.ts'
import { parseIpv4, parseIpv6 } from '../../src/core/guard/ip-address.ts'

const PRODUCTION = { allowPrivate: false, services: ['SIMULATED'] }
const LOCAL = { allowPrivate: true, services: [] }

/** A host as a caller with a careless URL parser would hand it over: not normalised. */
function host(hostname: string): ParsedEndpoint {
  return { protocol: 'https:', username: '', password: '', hostname, port: '', pathname: '/v1', search: '', hash: '' }
}

describe('endpoint guard in production', () => {
  it.each([
    'https://api.openai.com/v1',
    'https://api.openai.com:8443/v1',
    'https://8.8.8.8/v1',
    'https://172.32.0.1/',
    'https://100.128.0.1/',
    'https://[2606:4700:4700::1111]/v1',
    'https://internal.example.com/',
    'https://localhost.example.com/',
    'service://SIMULATED/openai/v1',
  ])('lets %s pass', (address) => {
    expect(checkEndpoint(new URL(address), PRODUCTION)).toEqual({ ok: true, value: null })
  })

  it.each([
    'http://api.openai.com/v1',
    'ftp://api.openai.com/',
    'file:///etc/passwd',
    'data:text/plain,x',
    'https://user@api.openai.com/',
    'https://user:secret@api.openai.com/',
    'https://api.openai.com/v1?key=1',
    'https://api.openai.com/v1#x',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://foo.localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://vllm/',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://0/',
    'https://10.1.2.3/',
    'https://172.16.0.1/',
    'https://172.31.255.255/',
    'https://192.168.1.1/',
    'https://169.254.169.254/',
    'https://100.100.100.200/',
    'https://168.63.129.16/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://[::]/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a9fe:a9fe]/',
    'https://[64:ff9b::10.0.0.1]/',
    'https://[fe80::1]/',
    'https://[fd00:ec2::254]/',
    'https://[2002:7f00:1::]/',
    'https://[2001:db8::1]/',
    'https://[2001::1]/',
    'https://[ff02::1]/',
    'service://OTHER/v1',
    'service://simulated/v1',
    'service://SIMULATED:80/v1',
    'service:///v1',
  ])('refuses %s', (address) => {
    expect(checkEndpoint(new URL(address), PRODUCTION).ok).toBe(false)
  })

  it.each([
    '2130706433',
    '0x7f.1',
    '0177.1',
    '127.0.0.1.',
    '0xA9FEA9FE',
    '1.2.3.4.5',
    '256.1.1.1',
    '08.1.1.1',
    '[::1',
    '[zz]',
    '',
  ])('refuses the host %s though nobody normalised it', (hostname) => {
    expect(checkEndpoint(host(hostname), PRODUCTION).ok).toBe(false)
  })

  it('says what is allowed', () => {
    expect(checkEndpoint(new URL('http://api.openai.com'), PRODUCTION)).toEqual({
      ok: false,
      error: 'must begin with https://',
    })
    expect(checkEndpoint(new URL('service://OTHER/v1'), PRODUCTION)).toMatchObject({
      error: expect.stringContaining('SIMULATED'),
    })
  })
})

describe('endpoint guard with private endpoints allowed', () => {
  it('lets plain http and private addresses pass, but no foreign scheme, credential or unknown service', () => {
    expect(checkEndpoint(new URL('http://127.0.0.1:9999/v1'), LOCAL).ok).toBe(true)
    expect(checkEndpoint(new URL('http://localhost:11434/v1'), LOCAL).ok).toBe(true)
    expect(checkEndpoint(new URL('http://a:b@localhost/'), LOCAL).ok).toBe(false)
    expect(checkEndpoint(new URL('ftp://localhost/'), LOCAL).ok).toBe(false)
    expect(checkEndpoint(new URL('service://SIMULATED/v1'), LOCAL).ok).toBe(false)
  })
})

describe('IP addresses', () => {
  it('are read as the URL standard reads them', () => {
    for (const text of ['127.1', '0x7f.0.0.1', '0300.0250.1', '3232235777', '1.2.3', '0x', '10.0x10.010']) {
      const [a = 0, b = 0, c = 0, d = 0] = new URL(`https://${text}`).hostname.split('.').map(Number)
      expect(parseIpv4(text)).toBe(((a * 256 + b) * 256 + c) * 256 + d)
    }
    for (const text of ['1.2.3.4.5', '256.0.0.1', '4294967296', '1..1', '09.1']) {
      expect(() => new URL(`https://${text}`)).toThrow(TypeError)
      expect(parseIpv4(text)).toBe('invalid')
    }
    expect(parseIpv4('example.com')).toBeNull()
  })

  it('of version 6 may be shortened once and may end in version 4', () => {
    expect(parseIpv6('::1')).toEqual([0, 0, 0, 0, 0, 0, 0, 1])
    expect(parseIpv6('1:2:3:4:5:6:7:8')).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(parseIpv6('::ffff:127.0.0.1')).toEqual([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1])
    for (const text of ['1::2::3', '1:2:3', '1:2:3:4:5:6:7:8:9', '::1:2:3:4:5:6:7:8', 'g::', '1.2.3.4::']) {
      expect(parseIpv6(text)).toBeNull()
    }
  })
})
