// Puts the page into the document. Nothing is decided here.
import { render } from 'preact'
import { App } from './frame/app.tsx'

const root = document.getElementById('app')
if (root === null) throw new Error('the document has no #app')
render(<App />, root)
