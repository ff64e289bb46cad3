// Endpoints of the admin API, as its router names them, made into paths that can be asked.

/** A path of an endpoint that names what isn't there. */
export function pathTo(endpoint: string, named = 'none'): { readonly method: string; readonly path: string } {
  const [method = '', pattern = ''] = endpoint.split(' ')
  let isFirst = true
  const path = pattern.replace(/:(\w+)(\{[^}]*\})?/g, (_, name: string, choice?: string) => {
    if (choice?.includes('|') === true) return choice.slice(1, choice.indexOf('|'))
    const value = isFirst && name !== 'kind' ? named : 'none'
    isFirst = false
    return value
  })
  return { method, path }
}

/** Queries by which endpoints tell most of what they know; elsewhere none. */
export const QUERIES: Readonly<Record<string, readonly string[]>> = {
  'GET /usage': ['?group_by=tenant,team,key,model,cost_center', '?from=0&to=1'],
  'GET /reports': [
    '?group_by=tenant,team,key,model,cost_center&metrics=spend,tokens,requests,errors,latency,savings,feedback',
    '?group_by=tag',
    '?group_by=end_user',
    '?group_by=team&tenant=globex',
    '?group_by=team&compare=previous',
    '?group_by=hour,team',
  ],
  'GET /alerts': ['', '?team=x'],
  'GET /requests/in-flight': ['?tenant=acme'],
}
