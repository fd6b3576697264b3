/**
 * The projects beside this file. `script`: of package.json, builds or tests. `files`: where what a page asks for lies, instead
 * of public. `carried`: what of it is deployed, and where to.
 * `serve`: arguments of Node there, which gets PORT and HOST. Then `route` gives a story, `page` shows one, and is isolated.
 */
const SERVER = new URL('../../examples/browser/serve.mjs', import.meta.url).pathname
/** Vite's output is the page alone. */
const STATIC = [SERVER, '--no-isolation', '--root', '.', '--port', 'PORT']

export const PROJECTS = {
  next: {
    script: 'build',
    carried: { '.next/standalone/.': '.', '.next/static': '.next/static', public: 'public' },
    serve: ['server.js'],
    route: '/api/story',
    page: '/',
  },
  nitro: {
    script: 'build',
    carried: { '.output': '.output', models: 'models' },
    serve: ['.output/server/index.mjs'],
    route: '/api/story',
  },
  vitest: { script: 'test' },
  jest: { script: 'test' },
  'github-pages': { script: 'build', carried: { 'dist/.': '.' }, serve: STATIC, page: '/' },
  sveltekit: {
    script: 'build',
    files: 'static',
    carried: { build: 'build', 'server.js': 'server.js', models: 'models', 'package.json': 'package.json' },
    serve: ['server.js'],
    route: '/api/story',
    page: '/',
  },
  astro: {
    script: 'build',
    carried: { '.': '.' },
    serve: ['server.js'],
    route: '/api/story',
    page: '/',
  },
  'react-router': {
    script: 'build',
    carried: { '.': '.' },
    serve: ['server.js'],
    route: '/api/story',
    page: '/',
  },
  nuxt: {
    script: 'build',
    carried: { '.output': '.output', models: 'models' },
    serve: ['.output/server/index.mjs'],
    route: '/api/story',
    page: '/',
  },
}
