/** The icon of the app, a young llama, as SVG and as PNG: both from one list of strokes and dots. */
import { deflateSync } from 'node:zlib'

const SIZE = 64
const GROUND = '#9c4221'
const WOOL = '#fbf3ea'
/** Strokes with round ends: from, to, width. */
const STROKES = [
  [22, 62, 24, 52, 30],
  [26, 52, 28, 27, 14],
  [28, 26, 41, 29, 14],
  [26, 22, 23, 11, 5],
  [33, 21, 34, 10, 5],
]
/** Dots in the colour of the ground: centre, radius. */
const DOTS = [
  [35, 25, 2],
  [44, 28, 1.2],
]

export function iconSvg() {
  const strokes = STROKES.map(
    ([x, y, toX, toY, width]) => `<path d="M${x} ${y}L${toX} ${toY}" stroke-width="${width}"/>`,
  )
  const dots = DOTS.map(([x, y, radius]) => `<circle cx="${x}" cy="${y}" r="${radius}" fill="${GROUND}"/>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE} ${SIZE}"><rect width="${SIZE}" height="${SIZE}" rx="14" fill="${GROUND}"/><g stroke="${WOOL}" stroke-linecap="round" clip-path="inset(0 round 14px)">${strokes.join('')}</g>${dots.join('')}</svg>\n`
}

/** The whole square, as launchers cut it to their shape: what counts lies in the middle. */
export function iconPng(pixels) {
  const samples = 4
  const scale = SIZE / pixels / samples
  const [ground, wool] = [GROUND, WOOL].map((colour) =>
    [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)),
  )
  const rows = Buffer.alloc(pixels * (1 + 3 * pixels))
  for (let y = 0; y < pixels; y++) {
    for (let x = 0; x < pixels; x++) {
      let inside = 0
      for (let i = 0; i < samples * samples; i++) {
        inside += isWool(
          (x * samples + (i % samples) + 0.5) * scale,
          (y * samples + Math.floor(i / samples) + 0.5) * scale,
        )
      }
      const share = inside / (samples * samples)
      const at = y * (1 + 3 * pixels) + 1 + 3 * x
      for (let c = 0; c < 3; c++) rows[at + c] = Math.round(ground[c] + share * (wool[c] - ground[c]))
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(pixels, 0)
  head.writeUInt32BE(pixels, 4)
  // 8 bits a sample, RGB.
  head.set([8, 2], 8)
  const parts = [chunk('IHDR', head), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...parts])
}

function isWool(x, y) {
  if (DOTS.some(([cx, cy, radius]) => Math.hypot(x - cx, y - cy) < radius)) return false
  return STROKES.some(([ax, ay, bx, by, width]) => {
    const [dx, dy] = [bx - ax, by - ay]
    const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)))
    return Math.hypot(x - ax - along * dx, y - ay - along * dy) < width / 2
  })
}

/** A chunk of a PNG: length, name, data, CRC-32. https://www.w3.org/TR/png-3/#5Chunk-layout */
function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

function crc32(bytes) {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
