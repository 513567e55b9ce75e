import { createIo } from "../src/io.ts"
import type { PackedHelp } from "../src/packed/at-once.ts"
import { runProgram } from "../src/program.ts"

const NARROW = 80
const WIDEST = 1000

/** The help of the whole command at this width, without colours: it has none. */
export const helpAt = async (columns: number): Promise<string> => {
  let text = ""
  const sink = { stdout: (some: string) => void (text += some), stderr: () => undefined }
  const terminal = { stdin: false, stdout: false, stderr: false, columns }
  const io = createIo(sink, terminal, {}, { json: false, jsonFields: [], quiet: false })
  const context = (): never => {
    throw new Error("help runs no command")
  }
  await runProgram(["--help"], { io, context })
  return text
}

export const packedHelp = async (): Promise<PackedHelp> => {
  const wide = await helpAt(WIDEST)
  let wideColumns = NARROW
  while ((await helpAt(wideColumns)) !== wide) wideColumns++
  return { narrow: await helpAt(NARROW), narrowColumns: NARROW, wide, wideColumns }
}
