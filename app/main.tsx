/** Starts the app. */
import { render } from 'preact'
import { isolate } from './isolation.ts'
import { begin, warn } from './session.ts'
import { App } from './views/app.tsx'

render(<App />, document.getElementById('app')!)
begin()
  .then(isolate)
  .catch((error: Error) => warn(error.message))
