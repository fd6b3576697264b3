export * from '../dist/conformance.js'
