// How the dashboard becomes static files: served by Workers static assets under `/dashboard/`, from `dist/assets`.
// No plugins: JSX goes through the bundler's own automatic runtime. Run from the root of the checkout.
import { defineConfig } from 'vite'

export default defineConfig({
  root: 'src/dashboard',
  base: '/dashboard/',
  cacheDir: '../../node_modules/.vite-dashboard',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/assets/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    // The page's Content-Security-Policy allows no inline code and no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
})
