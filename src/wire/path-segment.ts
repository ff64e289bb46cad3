// Model ids as one segment of a path: whatever a client writes there, it can't climb the path, change the host or add a
// query.

/** `text` as a path segment. `.` and `..` are written so that no URL parser takes them for steps. */
export function pathSegment(text: string): string {
  // Half an emoji can't be encoded.
  const encoded = encodeURIComponent(text.replaceAll(LONE_SURROGATE, '\ufffd'))
  return /^\.{1,2}$/.test(text) ? `${encoded}%20` : encoded
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
