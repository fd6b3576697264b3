/** Runs the parts of a suite and prints how each ended. */
let failed = 0
let passed = 0

export async function run(client, what, part) {
  try {
    await part()
    passed++
    console.log(`passed  ${client}: ${what}`)
  } catch (error) {
    failed++
    console.log(`FAILED  ${client}: ${what}: ${String(error?.message ?? error).slice(0, 500)}`)
  }
}

export function report() {
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}
