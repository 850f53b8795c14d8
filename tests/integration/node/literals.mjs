// Prints as a JSON array what a script has as literals behind a key: some packages keep their sample payloads in code.
//   node literals.mjs KEY FILE    in FILE: payload: { id: "evt_1", ... }
// A literal that is more than data (it names a variable, calls something) is left out, and told on stderr.
import { readFileSync } from 'node:fs'
import vm from 'node:vm'

const [key, file] = process.argv.slice(2)
const source = readFileSync(file, 'utf8')

// Where the bracket at `start` is closed; -1: nowhere. Strings are skipped, comments between values are not expected.
function closing(start) {
  let depth = 0
  let quote = ''
  for (let at = start; at < source.length; at += 1) {
    const char = source[at]
    if (quote) {
      if (char === '\\') at += 1
      else if (char === quote) quote = ''
    } else if (char === '"' || char === "'" || char === '`') quote = char
    else if (char === '{' || char === '[') depth += 1
    else if (char === '}' || char === ']') {
      depth -= 1
      if (depth === 0) return at
    }
  }
  return -1
}

const found = []
for (const match of source.matchAll(new RegExp(`\\b${key}["']?\\s*[:=]\\s*(?=[{[])`, 'g'))) {
  const start = match.index + match[0].length
  const end = closing(start)
  if (end < 0) continue
  const text = source.slice(start, end + 1)
  try {
    found.push(JSON.parse(vm.runInNewContext(`JSON.stringify(${text})`, { __proto__: null, JSON }, { timeout: 1000 })))
  } catch (error) {
    console.error(`${file}: ${key} at ${start}: ${error.message}`)
  }
}
process.stdout.write(JSON.stringify(found))
