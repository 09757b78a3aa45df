import { writeFile } from 'node:fs/promises'

/** Draws a picture, blurs it `times` times, and writes it as a PGM file. A second or so of arithmetic for 100 times. */
export async function blur(file: string, times: number): Promise<void> {
  const size = 512
  let picture = Uint8Array.from({ length: size * size }, (_, i) => (i ^ (i >> 9)) & 255)
  for (let time = 0; time < times; time++) {
    picture = picture.map((_, i) => {
      let sum = 0
      for (const row of [-size, 0, size]) for (const column of [-1, 0, 1]) sum += picture[i + row + column] ?? 0
      return sum / 9
    })
  }
  await writeFile(file, Buffer.concat([Buffer.from(`P5 ${size} ${size} 255\n`), picture]))
}
