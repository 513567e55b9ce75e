import process from "node:process"
import { createInterface } from "node:readline/promises"

import { runOperatorCommand } from "./commands.ts"

const CONFIRMATION_REQUIRED = 9

/** Shows what would be given up and has the account typed once more. Answers the exit code where nobody said so. */
export const confirmLoss = async (folder: string, account: string): Promise<number | undefined> => {
  const known = await runOperatorCommand(folder, { command: "loss-ls" }, false)
  process.stderr.write(known.error)
  if (known.exitCode !== 0) return known.exitCode
  process.stderr.write(
    `${known.out}What is given up can still be on a device that has not run kf doctor --repair. After this no device can bring it back.\n`,
  )
  if (!process.stdin.isTTY) {
    process.stderr.write("Say --yes where nobody can be asked.\n")
    return CONFIRMATION_REQUIRED
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  const typed = await prompt.question(`Type ${account} to accept the loss: `)
  prompt.close()
  if (typed.trim() === account) return undefined
  process.stderr.write("Nothing was changed.\n")
  return CONFIRMATION_REQUIRED
}
