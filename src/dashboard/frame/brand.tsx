// The mark and the name, as they stand on the sign-in and in the header.

export function Brand() {
  return (
    <span class="brand">
      <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect class="brand-ground" width="32" height="32" rx="8" />
        <path class="brand-wave" d="M5 13c3.7 0 3.7-3 7.3-3s3.7 3 7.4 3 3.6-3 7.3-3" />
        <path class="brand-wave low" d="M5 21c3.7 0 3.7-3 7.3-3s3.7 3 7.4 3 3.6-3 7.3-3" />
      </svg>
      <span class="brand-name">Tidegate</span>
    </span>
  )
}
